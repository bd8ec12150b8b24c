"""What the pusher decides: which commits to make, what they say, and what a server's answer means. No I/O."""

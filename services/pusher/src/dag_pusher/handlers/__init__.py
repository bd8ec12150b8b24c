"""What the pusher does when it is woken: take the lane's lock, drain its list, batch by batch."""

"""What may be done through the gateway: request a deployment, cancel one."""

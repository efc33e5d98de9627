package client

// Base is the server's address, for tests of the package from outside.
func Base(c *Client) string { return c.base }

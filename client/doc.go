// Package client is the Go SDK: it records audit events, searches them, exports them and checks their proofs, over the HTTP interface of a
// Probity server (mission row A10).
//
//	c, err := client.New("https://audit.example.com", os.Getenv("PROBITY_API_KEY"))
//	receipt, err := c.Append(ctx, client.Event{
//		Source: "booking.api", Action: "invoice.update",
//		Actor:    client.Actor{Type: "user", ID: "42", Name: "Ana"},
//		Resource: client.Resource{Type: "invoice", ID: "2026-117"},
//	})
//
// Every event gets an id before it is sent, and the server records an id of a source once, so that a request that is repeated after a
// cut connection records nothing twice. Requests are repeated by themselves where that is safe. Errors of the server are [*Error] values with a stable code.
//
// The package checks signatures and inclusion proofs itself, and depends on nothing of the server.
package client

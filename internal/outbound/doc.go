// Package outbound makes the connections that the server opens to addresses which a tenant chose: webhooks, chat services, streams of events. Such an address is an attack
// until shown otherwise (server-side request forgery), so nothing here trusts a URL.
//
// A name is resolved once; if any of its addresses is not a public one, the connection is refused, and the dialer looks at the address that it is about to connect to again, so
// that a name server that changes its answer gains nothing. Redirects are not followed. Only https is spoken, on port 443 or an unprivileged one. No proxy is taken from the
// environment. An operator's list ([Options.Allow]) lifts these rules for named hosts and networks.
//
// Errors ([Error]) say what failed in words of this package. They hold no URL, host or address, because URLs of chat services are secrets and because what a refused
// connection says about the inner network is nobody's business.
package outbound

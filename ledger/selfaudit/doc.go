// Package selfaudit makes the events in which the product records what people do to the product itself: who, by which way, to what. Every domain describes its own actions with it, so that
// all of them say the same of the caller: role, session, request, the address that trusted proxies vouch for and every other address that the request is said to have passed.
package selfaudit

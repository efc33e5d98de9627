package api

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// maxHops bounds how much of a forwarding header is kept. Longer chains do not occur; longer headers are attacks.
const maxHops = 20

// Proxies says which peers may speak for others, and in which header. The zero value trusts nobody: the client is then whoever
// is connected.
type Proxies struct {
	// Trusted are the networks of the operator's own proxies.
	Trusted []netip.Prefix
	// Forwarded reads RFC 7239 Forwarded instead of X-Forwarded-For. Exactly one header is ever read: a proxy that maintains one
	// passes the other through from the client unchanged, so reading both would let the client choose its address.
	Forwarded bool
}

// ParseProxies reads a list of CIDRs and single addresses.
func ParseProxies(list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range list {
		s = strings.TrimSpace(s)
		if s == "" {
			continue
		}
		if a, err := netip.ParseAddr(s); err == nil {
			a = a.Unmap().WithZone("")
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("%q is neither an address nor a network such as 10.0.0.0/8", s)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

func (p Proxies) trusts(a netip.Addr) bool {
	for _, n := range p.Trusted {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// client returns the address of the client and every hop, client first. Starting at the connected peer it walks towards the client as long as
// the hop that reported the next one is trusted, so that a header sent by the client itself changes nothing.
func (p Proxies) client(r *http.Request) (netip.Addr, []string) {
	peer, ok := parseHop(r.RemoteAddr)
	if !ok || !p.trusts(peer) {
		return peer, nil
	}
	var reported []netip.Addr
	if p.Forwarded {
		reported = forwardedFor(r.Header.Values("Forwarded"))
	} else {
		reported = xForwardedFor(r.Header.Values("X-Forwarded-For"))
	}
	if len(reported) == 0 {
		return peer, nil
	}
	client := peer
	for i := len(reported) - 1; i >= 0 && reported[i].IsValid(); i-- {
		client = reported[i]
		if !p.trusts(client) {
			break
		}
	}
	hops := make([]string, 0, len(reported)+1)
	for _, a := range reported {
		if a.IsValid() {
			hops = append(hops, a.String())
		} else {
			hops = append(hops, "unknown")
		}
	}
	return client, append(hops, peer.String())
}

// xForwardedFor parses all header lines as one list, leftmost first. An entry that is no address is kept as the zero Addr: it ends the walk,
// because what lies beyond it cannot be told apart from an invention.
func xForwardedFor(lines []string) []netip.Addr {
	var out []netip.Addr
	for _, line := range lines {
		for s := range strings.SplitSeq(line, ",") {
			a, _ := parseHop(strings.TrimSpace(s))
			out = append(out, a)
		}
	}
	return tail(out)
}

// forwardedFor parses the for= parameters of RFC 7239.
func forwardedFor(lines []string) []netip.Addr {
	var out []netip.Addr
	for _, line := range lines {
		for element := range strings.SplitSeq(line, ",") {
			var a netip.Addr
			for pair := range strings.SplitSeq(element, ";") {
				name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
				if strings.EqualFold(name, "for") {
					a, _ = parseHop(strings.Trim(value, `"`))
				}
			}
			out = append(out, a)
		}
	}
	return tail(out)
}

func tail(a []netip.Addr) []netip.Addr {
	if len(a) > maxHops {
		return a[len(a)-maxHops:]
	}
	return a
}

// parseHop reads an address with or without a port, in brackets or not; IPv4-mapped addresses become IPv4 and zones are dropped, so that one
// client has one spelling.
func parseHop(s string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	s = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, false
	}
	return a.Unmap().WithZone(""), true
}

package outbound

import (
	"net/netip"
)

// reserved are the IPv4 networks that are not the public Internet, from the IANA special-purpose registry (RFC 6890 and its updates), and the address at which Azure's hosts
// serve machines their configuration, which lies in public space.
var reserved = prefixes("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
	"192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32")

// reserved6 are the parts of 2000::/3 that are not the public Internet: protocol assignments with Teredo and ORCHID, documentation, 6to4.
var reserved6 = prefixes("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")

var (
	unicast6 = netip.MustParsePrefix("2000::/3")
	nat64    = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052: an IPv4 address in the last 32 bits
	// linkLocal is where cloud providers serve machines their credentials. Allowing a host by name does not open it.
	linkLocal = prefixes("169.254.0.0/16", "fe80::/10", "fd00:ec2::/32", "100.100.100.200/32", "192.0.0.192/32", "168.63.129.16/32")
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

func within(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// plain takes an address out of the notations that hide an IPv4 address in an IPv6 one: IPv4-mapped (::ffff:0:0/96) and NAT64 (64:ff9b::/96).
func plain(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if a.Is6() && nat64.Contains(a.WithZone("")) {
		b := a.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return a
}

// public reports whether an address is one of the public Internet. What is not known to be public is not.
func public(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" {
		return false
	}
	a = plain(a)
	if a.Is4() {
		return !within(reserved, a)
	}
	return unicast6.Contains(a) && !within(reserved6, a)
}

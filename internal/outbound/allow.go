package outbound

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// rule is one entry of an operator's list: a network or a host, with a port or without.
type rule struct {
	net  netip.Prefix
	host string // lower case; with a leading dot, every name below it
	port int    // 0 for any
}

var hostPattern = regexp.MustCompile(`^(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$`)

// ParseAllow checks an entry of an operator's list: a network (10.0.0.0/8), an address, or a host name (splunk.internal, *.corp.example); a host or address may end in a port.
func ParseAllow(entry string) error {
	_, err := parseRule(entry)
	return err
}

func parseRule(entry string) (rule, error) {
	if p, err := netip.ParsePrefix(entry); err == nil {
		return rule{net: p.Masked()}, nil
	}
	if a, err := netip.ParseAddr(entry); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return rule{net: netip.PrefixFrom(a, a.BitLen())}, nil
	}
	host, port := entry, 0
	if h, p, err := net.SplitHostPort(entry); err == nil {
		n, err := strconv.Atoi(p)
		if err != nil || n < 1 || n > 65535 {
			return rule{}, fmt.Errorf("%q: the port must be a number up to 65535", entry)
		}
		host, port = h, n
	}
	if a, err := netip.ParseAddr(host); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return rule{net: netip.PrefixFrom(a, a.BitLen()), port: port}, nil
	}
	host = strings.ToLower(host)
	if !hostPattern.MatchString(host) {
		return rule{}, fmt.Errorf("%q is neither a network such as 10.0.0.0/8, nor an address, nor a host such as splunk.internal or *.corp.example:8088", entry)
	}
	return rule{host: strings.TrimPrefix(host, "*"), port: port}, nil
}

func (r rule) atPort(port int) bool { return r.port == 0 || r.port == port }

func (r rule) names(host string) bool {
	return r.host != "" && (r.host == host || r.host[0] == '.' && strings.HasSuffix(host, r.host))
}

// allowsHost reports whether the operator named this host.
func (c *Client) allowsHost(host string, port int) bool {
	for _, r := range c.allow {
		if r.atPort(port) && r.names(host) {
			return true
		}
	}
	return false
}

// allowsAddr reports whether the operator named a network that holds this address.
func (c *Client) allowsAddr(a netip.Addr, port int) bool {
	a = a.Unmap()
	for _, r := range c.allow {
		if r.host == "" && r.atPort(port) && r.net.Contains(a) {
			return true
		}
	}
	return false
}

// reachable decides on an address that host stands for. A host that is allowed by name may be anywhere but where machines get their credentials.
func (c *Client) reachable(host string, a netip.Addr, port int) bool {
	if c.allowsAddr(a, port) || public(a) {
		return true
	}
	a = plain(a)
	return a.IsValid() && a.Zone() == "" && !a.IsMulticast() && !a.IsUnspecified() && !within(linkLocal, a) && c.allowsHost(host, port)
}

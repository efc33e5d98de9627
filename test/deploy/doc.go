// Package deploy holds the tests of what lies in the folder deploy: that Prometheus takes the alert rules and they fire when they should, that every figure which a rule or a dashboard asks for is
// one that a running server has, that systemd takes the unit, and that the container files name settings and secrets that exist.
package deploy

// Package send speaks the wire formats of the channels that notifications go out on: e-mail over SMTP, Slack (incoming webhooks and chat.postMessage), Discord, PagerDuty
// Events v2, Microsoft Teams workflows, and webhooks signed per Standard Webhooks. One call is one attempt; the [Outcome] says whether another one may help and when.
//
// It knows no tenants, stores nothing and never retries. An outcome holds no address, token or text of a receiver: what a channel was set up with is secret, and what a receiver
// says about it may repeat that.
package send

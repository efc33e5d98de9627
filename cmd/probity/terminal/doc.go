// Package terminal writes for people: tables that fit the window, colours where they are wanted, progress, and text from outside made harmless. It knows nothing
// about audit events. What scripts read (JSON, CSV) does not pass through here.
package terminal

//go:build !amd64

package aesgcm

const accelerated = false

func expand(*schedule, *[KeySize]byte)        { panic("aesgcm: not for this processor") }
func encrypt(*schedule, *byte, int)           { panic("aesgcm: not for this processor") }
func hash(*[Overhead]byte, *byte, *byte, int) { panic("aesgcm: not for this processor") }

package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"forebay/pool"
	"forebay/tls/profile"
)

// An unregistered is a protocol of a flag that is not in the registry. That is right for a protocol of the operator's
// own. Else it is a mistake: clients are refused, or go to the wrong route.
type unregistered struct{ flag, protocol string }

// unregistered lists the unregistered protocols of c.
func (c *config) unregistered() (all []unregistered) {
	known := profile.Registered()
	add := func(flag, p string) {
		if !slices.Contains(known, p) {
			all = append(all, unregistered{flag, p})
		}
	}
	for _, p := range c.ALPN {
		add("--alpn", string(p))
	}
	for _, p := range c.BackendALPN {
		add("--backend-alpn", string(p))
	}
	for _, r := range c.Routes {
		for _, p := range r.protocols {
			add("--route", string(p))
		}
	}
	return all
}

// nearest returns the registered protocol that was most likely meant, "" where none is near.
func (u unregistered) nearest() string { return pool.Nearest(u.protocol, profile.Registered()) }

func (p *plan) noteUnregistered() {
	for _, u := range p.unregistered() {
		meant := ""
		if near := u.nearest(); near != "" {
			meant = fmt.Sprintf("; did you mean %s?", near)
		}
		p.note("%s: the ALPN protocol %s is not registered, so that only programs of your own will know it%s", u.flag,
			u.protocol, meant)
	}
}

// tellUnregistered logs unregistered protocols. It warns of those that are spelled almost like a registered one.
func (p *process) tellUnregistered() {
	for _, u := range p.unregistered() {
		level, about := slog.LevelInfo, []any{"flag", u.flag, "protocol", u.protocol}
		if near := u.nearest(); near != "" {
			level, about = slog.LevelWarn, append(about, "nearest", near)
		}
		p.logger.Log(context.Background(), level,
			"an ALPN protocol is not registered, so that only programs of your own will know it", about...)
	}
}

package main

import (
	"regexp"
	"slices"
	"strings"
)

// variablePrefix begins the name of every environment variable that is a setting.
const variablePrefix = "FOREBAY_"

// variables are those of an environment that could be settings, by name.
type variables map[string]string

// variablesOf returns the variables of an environment, which has the form of os.Environ.
func variablesOf(environ []string) variables {
	found := variables{}
	for _, v := range environ {
		if name, text, _ := strings.Cut(v, "="); strings.HasPrefix(name, variablePrefix) {
			found[name] = text
		}
	}
	return found
}

// enterVariables enters each variable whose setting no flag or argument has set. An empty variable counts as none.
func (c *commandLine) enterVariables(all variables) {
	for _, s := range c.settings {
		if text := all[s.variable()]; text != "" && !s.given() {
			s.enterVariable(text)
		}
	}
	c.refuseUnknown(all)
}

// enterVariable reads an environment variable; a list has spaces between its elements.
func (s *setting) enterVariable(text string) {
	if !s.value.repeatable() {
		s.enter(text, fromEnvironment)
		return
	}
	for element := range strings.FieldsSeq(text) {
		s.enter(element, fromEnvironment)
	}
}

// refuseUnknown adds a fault for each variable that is no setting.
func (c *commandLine) refuseUnknown(all variables) {
	var known, unknown []string
	for _, s := range c.settings {
		known = append(known, s.variable())
	}
	for name, text := range all {
		if !slices.Contains(known, name) && !tellsOfService(name, text) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		c.faults.addf(name, "there is no such variable; %s", c.nearestVariable(name))
	}
}

// nearestVariable returns a text that says which variable was most likely meant by name.
func (c *commandLine) nearestVariable(name string) string {
	flag := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, variablePrefix)), "_", "-")
	var near []string
	for _, meant := range c.meant(flag) {
		near = append(near, c.named(meant).variable())
	}
	if len(near) == 0 {
		return "each flag that forebay help all lists is one"
	}
	return "did you mean " + strings.Join(near, " or ") + "?"
}

// tellsOfService reports whether Kubernetes sets a variable of this name in every container for a Service whose name
// begins with "forebay", as Docker's links did: FOREBAY_SERVICE_HOST, FOREBAY_PORT_8080_TCP,
// FOREBAY_PORT=tcp://10.0.0.1:8080 and so on (Kubernetes, "Service", environment variables).
func tellsOfService(name, text string) bool {
	service := regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_.+)?)$`)
	return service.MatchString(name) || strings.HasSuffix(name, "_PORT") && strings.Contains(text, "://")
}

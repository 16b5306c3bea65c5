package main

import "forebay/pool"

// meant returns the names of the settings most likely meant by name, which is none: those that do what it stands for
// elsewhere, or else the one that is spelled most like it.
func (c *commandLine) meant(name string) []string {
	if known := elsewhere()[name]; known != nil {
		return known
	}
	var names []string
	for _, s := range c.settings {
		names = append(names, s.name)
	}
	if near := pool.Nearest(name, names); near != "" {
		return []string{near}
	}
	return nil
}

// elsewhere returns the settings for what other programs have words for (HAProxy, nginx and Envoy, above all), and for
// words that leave open which of several is meant.
func elsewhere() map[string][]string {
	return map[string][]string{
		"bind":             {"listen"},
		"port":             {"listen"},
		"server":           {"backend"},
		"upstream":         {"backend"},
		"balance":          {"policy"},
		"algorithm":        {"policy"},
		"lb-policy":        {"policy"},
		"retries":          {"tries"},
		"retry":            {"tries", "try-duration"},
		"hold":             {"try-duration"},
		"rate-limit":       {"client-rate", "accept-rate"},
		"max-memory":       {"memory"},
		"mem-limit":        {"memory"},
		"memory-limit":     {"memory"},
		"timeout":          {"connect-timeout", "idle-timeout"},
		"maxconn":          {"max-conns"},
		"max-connections":  {"max-conns"},
		"proxy":            {"proxy-out", "proxy-in"},
		"proxy-protocol":   {"proxy-out", "proxy-in"},
		"send-proxy":       {"proxy-out"},
		"accept-proxy":     {"proxy-in"},
		"health-check":     {"check"},
		"cert":             {"tls-cert"},
		"key":              {"tls-key"},
		"log-format":       {"log"},
		"access-log":       {"log"},
		"threads":          {"loops"},
		"workers":          {"loops"},
		"drain":            {"drain-timeout"},
		"shutdown-timeout": {"drain-timeout"},
	}
}

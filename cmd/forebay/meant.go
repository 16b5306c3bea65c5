package main

import "forebay/pool"

// meant returns the settings that were most likely meant by name, which is no setting: those that do what name does in
// other programs, or else the one that is spelled most like it.
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

// elsewhere returns the settings by their names in other programs (HAProxy, nginx and Envoy above all), and by words
// that may mean several of them.
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

package health

import "strings"

// String returns c as an operator would write it. Options with their default are left out. UnmarshalText reads it back.
func (c Check) String() string {
	switch c.kind {
	case off:
		return "off"
	case command:
		return "exec:" + c.command
	}
	items := c.head()
	add := func(key, value string) {
		if value != "" {
			items = append(items, key+"="+value)
		}
	}
	if c.kind == script {
		add("at", c.at.String())
	}
	if c.secure {
		items = append(items, "tls")
	}
	add("name", c.nameText())
	if c.unverified {
		add("verify", "off")
	}
	add("user", encomma(c.user))
	add("database", encomma(c.database))
	for _, o := range c.pageOptions() {
		add(o[0], o[1])
	}
	if c.own {
		add("proxy", c.header.String())
	}
	return strings.Join(items, ",")
}

// MarshalText returns what String returns.
func (c Check) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// head returns the items before the options.
func (c Check) head() []string {
	at := c.at.String()
	switch c.kind {
	case onHTTP, onHTTPS:
		if c.at.host == "" && at != "" {
			at = ":" + at
		}
		return []string{string(c.kind) + "://" + at + encomma(c.page.Path)}
	case script:
		var steps []string
		for _, s := range c.steps {
			steps = append(steps, s.String())
		}
		return steps
	}
	if at != "" {
		at = ":" + at
	}
	return []string{string(c.kind) + at}
}

// String returns send:…, expect:… or match:….
func (s Step) String() string {
	switch {
	case s.Match != nil:
		return "match:" + encomma(s.Match.String())
	case len(s.Send) > 0:
		return "send:" + escape(s.Send)
	}
	return "expect:" + escape(s.Expect)
}

// nameText returns the name as readName reads it.
func (c Check) nameText() string {
	if strings.Contains(c.name, ":") {
		return "[" + c.name + "]"
	}
	return c.name
}

func (c Check) pageOptions() [][2]string {
	if c.kind != onHTTP && c.kind != onHTTPS {
		return nil
	}
	options := [][2]string{{"method", c.page.Method}, {"body", escape(c.page.Body)}}
	if len(c.page.Status) > 0 {
		options = append(options, [2]string{"status", c.page.Status.String()})
	}
	if c.page.Match != nil {
		options = append(options, [2]string{"match", encomma(c.page.Match.String())})
	}
	return options
}

package main

import (
	"fmt"
	"strings"
)

// The layout of --help, which fits a terminal of 80 columns.
const (
	helpWidth  = 80
	helpColumn = 32 // where meanings begin
)

const helpHead = `Forebay balances TCP connections over backends.

  forebay [flags] [:PORT] BACKEND ...
  forebay COMMAND [flags] [BACKEND ...]

BACKEND is HOST:PORT, HOST:FIRST-LAST or unix:PATH, with options after commas:
10.0.0.7:5432,weight=3,max-conns=100,backup. A :PORT before the first BACKEND
is where to listen.

ROUTE is NAME[,NAME...]=BACKEND[,BACKEND...], or =refuse. NAME is what a client
asks for in its TLS: db.example.com, *.example.com, alpn:h2, or * for all the
rest, as BACKEND arguments are. Those TLS ends here with --tls-cert; that of
names passes as it is; a last word, terminate or pass, says otherwise.

Examples:
  forebay 127.0.0.1:8000-8003               four servers behind port 8080
  forebay :5432 db1:5432 db2:5432,backup    db2 serves when db1 is down
  forebay :25 10.0.0.1:25 --proxy-out v2    the backend learns who the client is
  forebay :443 127.0.0.1:8000 --tls-cert site.pem --tls-key site.key
  forebay :443 --route db.example.com=db1:5432 --route www.example.com=web1:443
  forebay check --policy source 10.0.0.1:80 10.0.0.2:80    is that right?
`

const helpTail = `
Defaults are in [brackets]. Flags may stand before and after BACKENDs, up to a
"--". TIME is like 500ms, 5s, 1m30s or 1h. Each flag is an environment variable
too, which gives way to the flag: --idle-timeout is FOREBAY_IDLE_TIMEOUT; what
is repeatable has spaces between its parts there.

Signals: SIGTERM and SIGINT drain, a second one stops at once; SIGHUP opens
--log-file anew and reads --allow-file and --deny-file again. Exit status: 0
stopped as asked, 1 failed at work or sessions were cut, 2 wrong usage or
configuration, and nothing was started.
`

// help prints what there is, whichever command it is asked about.
func help(e *env, c *commandLine, operands []string) error {
	if len(operands) > 1 || len(operands) == 1 && !isCommand(operands[0]) {
		return noOperands("help", operands)
	}
	fmt.Fprint(e.stdout, helpHead)
	fmt.Fprint(e.stdout, "\nCommands:\n")
	for _, cmd := range commands() {
		fmt.Fprint(e.stdout, helpEntry("  "+cmd.name, cmd.usage))
	}
	group := ""
	for _, s := range c.settings {
		if s.group != group {
			group = s.group
			fmt.Fprintf(e.stdout, "\n%s:\n", group)
		}
		fmt.Fprint(e.stdout, helpEntry(s.synopsis(), s.explanation()))
	}
	fmt.Fprint(e.stdout, helpTail)
	return nil
}

// synopsis is the flag and what its value is called.
func (s *setting) synopsis() string {
	text := "      --" + s.name
	if s.short != "" {
		text = "  -" + s.short + ", --" + s.name
	}
	if s.arg != "" {
		text += " " + s.arg
	}
	return text
}

// explanation is the meaning and the default.
func (s *setting) explanation() string { return s.meaning + " [" + s.fallback() + "]" }

// helpEntry sets explanation beside term, or below it where term is too long.
func helpEntry(term, explanation string) string {
	var b strings.Builder
	b.WriteString(term)
	column := len(term)
	if column > helpColumn-2 {
		b.WriteByte('\n')
		column = 0
	}
	for i, line := range wrap(explanation, helpWidth-helpColumn) {
		if i > 0 {
			column = 0
		}
		fmt.Fprintf(&b, "%*s%s\n", helpColumn-column, "", line)
	}
	return b.String()
}

// wrap breaks text into lines of at most width columns, at spaces.
func wrap(text string, width int) []string {
	var all []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > width {
			all = append(all, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(all, line)
}

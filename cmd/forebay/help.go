package main

import (
	"fmt"
	"slices"
	"strings"

	"forebay/pool"
)

// The layout of help, for a terminal of 80 columns. The meanings begin in these columns.
const (
	helpWidth     = 80
	flagColumn    = 32
	briefColumn   = 39
	commandColumn = 14
)

// allTopics is the topic for the whole help.
const allTopics = "all"

const helpHead = `Forebay balances TCP connections over backends.

  forebay [flags] [:PORT] BACKEND ...
  forebay COMMAND [flags] [BACKEND ...]

BACKEND is HOST:PORT, HOST:FIRST-LAST or unix:PATH, with options after commas:
10.0.0.7:5432,weight=3,max-conns=100,backup. A :PORT before the first BACKEND
is where to listen.

Examples:
  forebay 127.0.0.1:8000-8003               four servers behind port 8080
  forebay :5432 db1:5432 db2:5432,backup    db2 serves when db1 is down
  forebay :443 127.0.0.1:8000 --tls-cert site.pem --tls-key site.key
  forebay check --policy source 10.0.0.1:80 10.0.0.2:80    is that right?
`

const helpMoreExamples = `  forebay :25 10.0.0.1:25 --proxy-out v2    the backend learns who the client is
  forebay :443 --route db.example.com=db1:5432 --route www.example.com=web1:443
`

const helpRoutes = `ROUTE is NAME[,NAME...]=BACKEND[,BACKEND...], or =refuse. NAME is what a client
asks for in its TLS: db.example.com, *.example.com, alpn:h2, or * for all the
rest, as BACKEND arguments are. Those TLS ends here with --tls-cert; that of
names passes as it is; a last word, terminate or pass, says otherwise.
`

const helpMore = `
  forebay help GROUP    all flags of a group, such as tls
  forebay help all      all there is: flags, variables, signals, exit status
`

const helpTail = `
Defaults are in [brackets]. Flags may stand before and after BACKENDs, up to a
"--". TIME is like 500ms, 5s, 1m30s or 1h. Each flag is an environment variable
too, which gives way to the flag: --idle-timeout is FOREBAY_IDLE_TIMEOUT; what
is repeatable has spaces between its parts there.

Signals: SIGTERM, SIGINT and SIGQUIT drain, a second one, 0.3 s later or more,
stops at once; SIGHUP opens --log-file anew and reads --allow-file, --deny-file
and --drain-file again, and drains where it tells that the terminal is gone;
SIGUSR1 opens --log-file anew. Exit status: 0 stopped as asked, 1 failed at work
or sessions were cut, 2 wrong usage or configuration, and nothing was started.
`

// Help for single commands.
const (
	helpCheck = `Says all that is wrong with a command line, or shows what it comes to.

  forebay check [flags] [:PORT] BACKEND ...

It takes the flags and variables of forebay serve (forebay --help), resolves
names, reads files and tries addresses, and touches no traffic: it may run
beside a running Forebay. Without a fault it shows each setting, its value and
where that comes from, and the command line in full. Exit status: 0 all is
right, 2 something is wrong, all of which stands on standard error.
`
	helpDemo = `Four sample backends on 127.0.0.1:8000-8003 and a balancer before them.

  forebay demo [flags]

The balancer listens on 127.0.0.1:8080 unless --listen says otherwise, and takes
all flags of forebay serve but --backend (forebay --help). Nothing needs to be
installed; Ctrl-C ends it all.
`
	helpECHKey = `Makes a key for Encrypted Client Hello, for --tls-ech-keys.

  forebay ech-key NAME FILE

NAME is the public name that everybody may see, for which there must be a
certificate. FILE is made, to be read by its owner alone; one that is there
stays as it is. What belongs into the DNS is printed.
`
	helpCompletion = `Prints a script that completes commands, flags and their words.

  forebay completion bash    source <(forebay completion bash)
  forebay completion zsh     source <(forebay completion zsh)
  forebay completion fish    forebay completion fish | source

For good, bash wants it in /usr/share/bash-completion/completions/forebay, zsh
in /usr/local/share/zsh/site-functions/_forebay, and fish in
/etc/fish/completions/forebay.fish.
`
	helpVersion = `Says what this program was built from, and what it runs on.

  forebay version
`
)

// help prints the short help, the help for one command, or the help for some groups of flags or single flags.
func help(e *env, c *commandLine, operands []string) error {
	switch {
	case len(operands) == 1 && moreOf(operands[0]) != "":
		fmt.Fprint(e.stdout, moreOf(operands[0]))
		return nil
	case len(operands) == 0 || len(operands) == 1 && isCommand(operands[0]):
		fmt.Fprint(e.stdout, c.helpBrief())
		return nil
	case slices.Contains(operands, allTopics):
		fmt.Fprint(e.stdout, c.helpAll())
		return nil
	}
	var text []string
	var f faults
	for _, o := range operands {
		told := c.helpTopic(o)
		if told == "" {
			f.addf("", "help knows no group %q; %s", o, nearestTopic(o))
		}
		text = append(text, told)
	}
	if err := f.err(); err != nil {
		return err
	}
	fmt.Fprint(e.stdout, strings.Join(text, "\n"))
	return nil
}

// topics returns the words that may follow help and --help.
func topics() []string {
	var all []string
	for _, g := range groups() {
		all = append(all, g.topic)
	}
	return append(all, allTopics)
}

// helpTopic returns the help for a group of flags or for one flag, which may have its dashes; "" where word is neither.
func (c *commandLine) helpTopic(word string) string {
	for _, g := range groups() {
		if g.topic == word {
			return c.helpGroup(g)
		}
	}
	s := c.named(strings.TrimLeft(word, "-"))
	if s == nil {
		return ""
	}
	i := slices.IndexFunc(groups(), func(g group) bool { return g.title == s.group })
	return s.entry() + "\nforebay help " + groups()[i].topic + " tells of the flags beside it.\n"
}

// nearestTopic says which topic was most likely meant by word.
func nearestTopic(word string) string {
	if near := pool.Nearest(word, slices.Concat(topics(), commandNames())); near != "" {
		return "did you mean " + near + "?"
	}
	return "there are " + strings.Join(topics(), ", ")
}

// helpBrief returns the short help, which fits a screen.
func (c *commandLine) helpBrief() string {
	var b strings.Builder
	b.WriteString(helpHead)
	b.WriteString(helpCommands())
	b.WriteString("\nGroups, and the flags that are needed most, with their [defaults]:\n")
	for _, g := range groups() {
		topic := g.topic
		for _, s := range c.settingsIn(g) {
			if s.brief != "" {
				b.WriteString(helpEntry(fmt.Sprintf("  %-11s  %s", topic, s.synopsis()), s.brief+s.bracketed(),
					briefColumn))
				topic = ""
			}
		}
	}
	b.WriteString(helpMore)
	return b.String()
}

// helpAll returns the whole help.
func (c *commandLine) helpAll() string {
	var b strings.Builder
	b.WriteString(helpHead)
	b.WriteString(helpMoreExamples)
	b.WriteString(helpCommands())
	for _, g := range groups() {
		b.WriteByte('\n')
		b.WriteString(c.helpGroup(g))
	}
	b.WriteString(helpTail)
	return b.String()
}

func helpCommands() string {
	var b strings.Builder
	b.WriteString("\nCommands:\n")
	for _, cmd := range commands() {
		b.WriteString(helpEntry("  "+cmd.name, cmd.usage, commandColumn))
	}
	return b.String()
}

// helpGroup returns a line or more for each flag of a group, with its default.
func (c *commandLine) helpGroup(g group) string {
	var b strings.Builder
	b.WriteString(g.title + ":\n")
	for _, s := range c.settingsIn(g) {
		b.WriteString(s.entry())
	}
	if g.title == groupRoutes {
		b.WriteString("\n" + helpRoutes)
	}
	return b.String()
}

func (c *commandLine) settingsIn(g group) []*setting {
	return slices.DeleteFunc(slices.Clone(c.settings), func(s *setting) bool { return s.group != g.title })
}

// entry returns the flag, its meaning and its default, in a line or more.
func (s *setting) entry() string {
	indent := "      "
	if s.short != "" {
		indent = "  "
	}
	return helpEntry(indent+s.synopsis(), s.meaning+s.bracketed(), flagColumn)
}

// synopsis returns the flag and the word for its value.
func (s *setting) synopsis() string {
	text := "--" + s.name
	if s.short != "" {
		text = "-" + s.short + ", " + text
	}
	if s.arg != "" {
		text += " " + s.arg
	}
	return text
}

// bracketed returns the default in brackets.
func (s *setting) bracketed() string { return " [" + s.fallback() + "]" }

// helpEntry returns term with explanation beside it, in lines that begin at column. Where term is too long, explanation
// begins in the next line.
func helpEntry(term, explanation string, column int) string {
	var b strings.Builder
	b.WriteString(term)
	at := len(term)
	if at > column-2 {
		b.WriteByte('\n')
		at = 0
	}
	for i, line := range wrap(explanation, helpWidth-column) {
		if i > 0 {
			at = 0
		}
		fmt.Fprintf(&b, "%*s%s\n", column-at, "", line)
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

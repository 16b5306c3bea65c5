package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"forebay/pool"
)

// A commandLine is the parts of what the operator wrote.
type commandLine struct {
	config   *config
	settings []*setting
	faults   faults
	asked    string   // the command that --help or --version stands for; "" without them
	topic    []string // the topic after --help; none: empty
	implied  bool     // no command was written
	ports    []string // the operands that are a port alone: addresses to listen at
}

func newCommandLine() *commandLine {
	c := &commandLine{config: defaultConfig()}
	c.settings = settingsOf(c.config)
	for _, s := range c.settings {
		s.initial = s.value.texts()
		s.faults = &c.faults
	}
	return c
}

// sort puts args into the order that the parser wants: the command, then the flags as --name=value, then the rest after
// "--". So flags may be anywhere before a "--", all unknown flags are found, and a command line without a command
// serves. Listen addresses at the beginning, as in "forebay :8080 127.0.0.1:8000-8003", become flags.
func (c *commandLine) sort(args []string) []string {
	var flags, operands []string
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--":
			operands = append(operands, args...)
			args = nil
		case len(operands) > 0 && operands[0] == helpName && c.isFlag(arg) && asks(arg) == "":
			operands = append(operands, arg) // help --policy explains that flag
		case asks(arg) != "":
			c.asked = asks(arg)
			var topic []string
			topic, args = c.sortTopic(arg, args)
			c.topic = append(c.topic, topic...)
		case strings.HasPrefix(arg, "-") && arg != "-":
			var flag string
			flag, args = c.sortFlag(arg, args)
			flags = append(flags, flag)
		default:
			operands = append(operands, arg)
		}
	}
	command := serveName
	c.implied = len(operands) == 0 || !isCommand(operands[0])
	if !c.implied {
		command, operands = operands[0], operands[1:]
	}
	if c.asked == helpName && len(c.topic) == 0 && moreOf(command) != "" {
		c.topic = []string{command}
	}
	if takesSettings(command) {
		flags, operands = c.sortListen(flags, operands)
	}
	flags = slices.DeleteFunc(flags, func(f string) bool { return f == "" })
	return slices.Concat([]string{programName, command}, flags, []string{"--"}, operands)
}

// asks returns the command that arg stands for, if it is one of the usual flags for help and version; else "".
func asks(arg string) string {
	switch arg {
	case "-h", "-help", "--help":
		return helpName
	case "-v", "-V", "-version", "--version":
		return "version"
	}
	return ""
}

// sortTopic returns the topic after a flag for help, as in "forebay --help tls" or "forebay --help policy", and the
// rest of the arguments.
func (c *commandLine) sortTopic(arg string, after []string) (topic, rest []string) {
	if asks(arg) != helpName || len(after) == 0 || !slices.Contains(topics(), after[0]) && c.named(after[0]) == nil {
		return nil, after
	}
	return after[:1], after[1:]
}

// sortFlag returns the flag arg as --name=value, and the rest of the arguments. flag is "" for a faulty one.
func (c *commandLine) sortFlag(arg string, after []string) (flag string, rest []string) {
	name, text, hasText := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	s := c.named(name)
	switch {
	case s == nil && hasText && asks(unknown(arg)) != "":
		c.faults.addf(unknown(arg), "it takes no value, and %q is one", text)
		return "", after
	case s == nil:
		c.faults.add(unknown(arg), c.noFlag(arg, name))
		c.named("backend").rejected = true // it is not known whether that flag was meant to name backends
		return "", skipValue(hasText, after)
	case hasText:
	case s.arg == "":
		text = "true"
	case len(after) == 0 && c.asked == helpName || len(after) > 0 && asks(after[0]) == helpName:
		c.topic = append(c.topic, s.name)
		return "", after
	case len(after) == 0 || c.isFlag(after[0]):
		c.faults.addf("--"+s.name, "the value is missing; write --%s %s", s.name, s.arg)
		return "", after
	default:
		text, after = after[0], after[1:]
	}
	return "--" + s.name + "=" + text, after
}

// unknown returns how errors name an unknown flag: as written, without its value.
func unknown(arg string) string {
	name, _, _ := strings.Cut(arg, "=")
	return name
}

// skipValue drops the value of an unknown flag, which would else be taken for a command or a BACKEND.
func skipValue(hasText bool, after []string) []string {
	if hasText || len(after) == 0 || strings.HasPrefix(after[0], "-") || strings.Contains(after[0], ":") {
		return after
	}
	return after[1:]
}

// isFlag reports whether arg is an existing flag, and so not a value.
func (c *commandLine) isFlag(arg string) bool {
	name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	return strings.HasPrefix(arg, "-") && (arg == "--" || c.named(name) != nil || asks(arg) != "")
}

// named returns the setting with this name or letter, or nil.
func (c *commandLine) named(name string) *setting {
	for _, s := range c.settings {
		if name != "" && (name == s.name || name == s.short) {
			return s
		}
	}
	return nil
}

// noFlag says what to write instead of arg, whose name is not that of a flag.
func (c *commandLine) noFlag(arg, name string) error {
	if instead := absentFlag(name); instead != "" {
		return errors.New(instead)
	}
	return fmt.Errorf("there is no such flag; %s", c.nearest(arg, name))
}

// nearest says which flag was most likely meant by arg. name is the name in arg.
func (c *commandLine) nearest(arg, name string) string {
	if s := c.named(name[:min(1, len(name))]); s != nil && !strings.HasPrefix(arg, "--") &&
		strings.Contains(name, ":") {
		return fmt.Sprintf("did you mean -%s %s?", s.short, name[1:])
	}
	near := c.meant(name)
	if word := pool.Nearest(name, []string{"help", "version"}); word != "" && len(near) == 0 {
		near = []string{word}
	}
	if len(near) == 0 {
		return "forebay help all lists those there are"
	}
	return "did you mean --" + strings.Join(near, " or --") + "?"
}

func (c *commandLine) flags() []cli.Flag {
	all := make([]cli.Flag, len(c.settings))
	for i, s := range c.settings {
		all[i] = s.flag()
	}
	return all
}

// sortListen makes flags of the first operands, as far as these are a port alone.
func (c *commandLine) sortListen(flags, operands []string) ([]string, []string) {
	for len(operands) > 0 && isPort(operands[0]) {
		flags = append(flags, "--listen="+operands[0])
		c.ports = append(c.ports, operands[0])
		operands = operands[1:]
	}
	return flags, operands
}

// isPort reports whether operand is a colon and digits. Anything else that begins with a colon is a mistake, such as an
// IPv6 address without brackets.
func isPort(operand string) bool {
	digits, found := strings.CutPrefix(operand, ":")
	return found && digits != "" && strings.Trim(digits, "0123456789") == ""
}

// complete enters the operands as backends, and then the environment, which has the form of os.Environ.
func (c *commandLine) complete(operands, environ []string) {
	for i, operand := range operands {
		c.enterOperand(operand, i == 0 && c.implied)
	}
	c.enterVariables(variablesOf(environ))
}

// enterOperand enters one operand as a backend, unless it was meant to be something else. first is true where a command
// could have been instead.
func (c *commandLine) enterOperand(operand string, first bool) {
	backend := c.named("backend")
	switch {
	case first && isWord(operand):
		c.faults.add("", noCommand(operand))
	case isPort(":" + operand):
		c.faults.addf("", "%q is a port alone; write 127.0.0.1:%[2]s for a BACKEND on this machine, or :%[2]s before the first BACKEND to listen there",
			operand, operand)
	case isPort(operand):
		c.faults.addf("", "%q is no BACKEND, for it has no host; to listen there write --listen %s", operand, operand)
	default:
		backend.enter(operand, fromArgument)
		return
	}
	backend.rejected = true
}

// isWord reports whether operand can be a command but no BACKEND: it has no port, and is not an address, a name with
// dots, a path or an option.
func isWord(operand string) bool {
	return !strings.ContainsAny(operand, ":./=") && operand != "localhost" && strings.Trim(operand, "0123456789-") != ""
}

// noCommand says what is wrong with a first operand that is neither a command nor an address.
func noCommand(operand string) error {
	if instead := absentCommand(operand); instead != "" {
		return fmt.Errorf("there is no command %q; %s", operand, instead)
	}
	meant := ""
	if near := pool.Nearest(operand, commandNames()); near != "" {
		meant = "; did you mean " + near + "?"
	}
	return fmt.Errorf("%q is neither a command nor a BACKEND such as 127.0.0.1:8000%s", operand, meant)
}

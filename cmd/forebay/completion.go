package main

import (
	"fmt"
	"strings"
)

// complete prints a completion script for a shell.
func complete(e *env, c *commandLine, operands []string) error {
	var f faults
	if len(operands) != 1 {
		f.addf("", "completion takes the name of one shell: bash, zsh or fish")
		return f.err()
	}
	switch operands[0] {
	case "bash":
		fmt.Fprintf(e.stdout, bashCompletion, c.valued("|"), c.flagNames(), strings.Join(commandNames(), " "), shellNames, strings.Join(topics(), " "))
	case "zsh":
		fmt.Fprintf(e.stdout, zshCompletion, c.valued("|"), shellNames, strings.Join(topics(), " "), strings.Join(commandNames(), " "), c.flagNames())
	case "fish":
		fmt.Fprint(e.stdout, c.fishCompletion())
	default:
		f.addf("", "completion: %q is no shell known here; there are bash, zsh and fish", operands[0])
	}
	return f.err()
}

const shellNames = "bash zsh fish"

// The value of a flag is completed as a file, if at all: a word of forebay's own would never be right there. Commands come first.
const bashCompletion = `# bash completion for forebay; source <(forebay completion bash)
_forebay() {
	local words
	case ${COMP_WORDS[COMP_CWORD-1]} in
	%s) return ;;
	esac
	words='%s'
	((COMP_CWORD > 1)) || words="%s $words"
	case ${COMP_WORDS[COMP_CWORD-1]} in
	completion) words='%s' ;;
	help|--help) words='%s' ;;
	esac
	COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _forebay forebay
`

const zshCompletion = `#compdef forebay
# zsh completion for forebay; source <(forebay completion zsh)
_forebay() {
	case ${words[CURRENT-1]} in
	%s) _files; return ;;
	completion) compadd -- %s; return ;;
	help|--help) compadd -- %s; return ;;
	esac
	((CURRENT > 2)) || compadd -- %s
	compadd -- %s || _files
}
compdef _forebay forebay
`

// flagNames returns all flags.
func (c *commandLine) flagNames() string {
	var all []string
	for _, s := range c.settings {
		all = append(all, "--"+s.name)
	}
	return strings.Join(append(all, "--help", "--version"), " ")
}

// valued returns the flags that a value follows, with sep between.
func (c *commandLine) valued(sep string) string {
	var all []string
	for _, s := range c.settings {
		if s.arg == "" {
			continue
		}
		if s.short != "" {
			all = append(all, "-"+s.short)
		}
		all = append(all, "--"+s.name)
	}
	return strings.Join(all, sep)
}

// fishCompletion has a line for each command and flag, with its meaning.
func (c *commandLine) fishCompletion() string {
	var b strings.Builder
	b.WriteString("# fish completion for forebay; forebay completion fish | source\n")
	for _, cmd := range commands() {
		fmt.Fprintf(&b, "complete -c forebay -n __fish_use_subcommand -a %s -d '%s'\n", cmd.name, cmd.usage)
	}
	fmt.Fprintf(&b, "complete -c forebay -n '__fish_seen_subcommand_from completion' -f -a '%s'\n", shellNames)
	fmt.Fprintf(&b, "complete -c forebay -n '__fish_seen_subcommand_from help' -f -a '%s'\n", strings.Join(topics(), " "))
	for _, s := range c.settings {
		fmt.Fprintf(&b, "complete -c forebay -l %s", s.name)
		if s.short != "" {
			fmt.Fprintf(&b, " -s %s", s.short)
		}
		if s.arg != "" {
			b.WriteString(" -r")
		}
		fmt.Fprintf(&b, " -d '%s'\n", strings.ReplaceAll(s.meaning, "'", `\'`))
	}
	return b.String()
}

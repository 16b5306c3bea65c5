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
		fmt.Fprintf(e.stdout, bashCompletion, c.vocabulary())
	case "zsh":
		fmt.Fprintf(e.stdout, zshCompletion, c.vocabulary())
	case "fish":
		fmt.Fprint(e.stdout, c.fishCompletion())
	default:
		f.addf("", "completion: %q is no shell known here; there are bash, zsh and fish", operands[0])
	}
	return f.err()
}

const bashCompletion = `# bash completion for forebay; source <(forebay completion bash)
_forebay() {
	COMPREPLY=($(compgen -W '%s' -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _forebay forebay
`

const zshCompletion = `#compdef forebay
# zsh completion for forebay; source <(forebay completion zsh)
_forebay() { compadd -- %s || _files }
compdef _forebay forebay
`

// vocabulary returns all commands and flags.
func (c *commandLine) vocabulary() string {
	all := commandNames()
	for _, s := range c.settings {
		all = append(all, "--"+s.name)
	}
	return strings.Join(append(all, "--help", "--version"), " ")
}

// fishCompletion has a line for each command and flag, with its meaning.
func (c *commandLine) fishCompletion() string {
	var b strings.Builder
	b.WriteString("# fish completion for forebay; forebay completion fish | source\n")
	for _, cmd := range commands() {
		fmt.Fprintf(&b, "complete -c forebay -n __fish_use_subcommand -a %s -d '%s'\n", cmd.name, cmd.usage)
	}
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

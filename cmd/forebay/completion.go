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
		fmt.Fprintf(e.stdout, bashCompletion, c.worded("	%s) words='%s' ;;\n"), c.valued("|"), shellNames,
			strings.Join(topics(), " "),
			c.flagNames(), strings.Join(commandNames(), " "))
	case "zsh":
		fmt.Fprintf(e.stdout, zshCompletion, described(commandMeanings()), described(c.flagMeanings()),
			c.worded("	%s) compadd -- %s; return ;;\n"), c.valued("|"), shellNames, strings.Join(topics(), " "))
	case "fish":
		fmt.Fprint(e.stdout, c.fishCompletion())
	default:
		f.addf("", "completion: %q is no shell known here; there are bash, zsh and fish", operands[0])
	}
	return f.err()
}

const shellNames = "bash zsh fish"

// A flag's value is completed as one of a few words, or as a file. Flags are offered only after a dash: there are so
// many that the commands would be lost among them. In --flag=value, bash takes the equals sign for a word.
const bashCompletion = `# bash completion for forebay; source <(forebay completion bash)
_forebay() {
	local words= cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
	if [[ $cur = = ]]; then
		cur=
	elif [[ $prev = = ]]; then
		prev=${COMP_WORDS[COMP_CWORD-2]}
	fi
	case $prev in
%[1]s	%[2]s) return ;;
	completion) words='%[3]s' ;;
	help|--help) words='%[4]s' ;;
	*)
		if [[ $cur = -* ]]; then
			words='%[5]s'
		elif ((COMP_CWORD == 1)); then
			words='%[6]s'
		fi
		;;
	esac
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _forebay forebay
`

const zshCompletion = `#compdef forebay
# zsh completion for forebay; source <(forebay completion zsh)
_forebay() {
	local flag=${words[CURRENT-1]}
	local -a commands=(
%[1]s	)
	local -a flags=(
%[2]s	)
	if [[ ${words[CURRENT]} = --*=* ]]; then
		flag=${words[CURRENT]%%%%=*}
		compset -P '*='
	fi
	case $flag in
%[3]s	%[4]s) _files; return ;;
	completion) compadd -- %[5]s; return ;;
	help|--help) compadd -- %[6]s; return ;;
	esac
	if [[ ${words[CURRENT]} = -* ]]; then
		_describe -o flag flags
	elif ((CURRENT == 2)); then
		_describe command commands || _files
	else
		_files
	fi
}
if [[ $funcstack[1] = _forebay ]]; then
	_forebay "$@" # zsh has read this as the function, on its first use
else
	compdef _forebay forebay
fi
`

// A meaning is a word for completion with its meaning.
type meaning struct{ word, text string }

func commandMeanings() []meaning {
	var all []meaning
	for _, cmd := range commands() {
		all = append(all, meaning{cmd.name, cmd.usage})
	}
	return all
}

func (c *commandLine) flagMeanings() []meaning {
	var all []meaning
	for _, s := range c.settings {
		all = append(all, meaning{"--" + s.name, s.meaning})
	}
	return append(all, meaning{"--help", "tell what there is"}, meaning{"--version", "what was built from what"})
}

// described returns all as elements of an array for zsh's _describe, one a line.
func described(all []meaning) string {
	var b strings.Builder
	for _, m := range all {
		fmt.Fprintf(&b, "\t\t%s\n", quote(m.word+":"+m.text))
	}
	return b.String()
}

// flagNames returns all flags.
func (c *commandLine) flagNames() string {
	var all []string
	for _, m := range c.flagMeanings() {
		all = append(all, m.word)
	}
	return strings.Join(all, " ")
}

// valued returns the flags that take a value, with sep between.
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

// worded returns format for each flag whose value is one of a few words, filled with the flag's name and the words.
func (c *commandLine) worded(format string) string {
	var b strings.Builder
	for _, s := range c.settings {
		if s.words != "" {
			fmt.Fprintf(&b, format, "--"+s.name, s.words)
		}
	}
	return b.String()
}

// fishCompletion returns a script with a line for each command and flag, with its meaning.
func (c *commandLine) fishCompletion() string {
	var b strings.Builder
	b.WriteString("# fish completion for forebay; forebay completion fish | source\n")
	for _, cmd := range commands() {
		fmt.Fprintf(&b, "complete -c forebay -n __fish_use_subcommand -a %s -d %s\n", cmd.name, quote(cmd.usage))
	}
	fmt.Fprintf(&b, "complete -c forebay -n '__fish_seen_subcommand_from completion' -f -a '%s'\n", shellNames)
	fmt.Fprintf(&b, "complete -c forebay -n '__fish_seen_subcommand_from help' -f -a '%s'\n",
		strings.Join(topics(), " "))
	for _, s := range c.settings {
		fmt.Fprintf(&b, "complete -c forebay -l %s", s.name)
		if s.short != "" {
			fmt.Fprintf(&b, " -s %s", s.short)
		}
		switch {
		case s.words != "":
			fmt.Fprintf(&b, " -x -a '%s'", s.words)
		case s.arg != "":
			b.WriteString(" -r")
		}
		fmt.Fprintf(&b, " -d %s\n", quote(s.meaning))
	}
	return b.String()
}

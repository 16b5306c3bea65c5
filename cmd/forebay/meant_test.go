package main

import "testing"

// A word of other programs leads to flags that there are, and is none itself.
func TestWordsFromElsewhereLeadToFlags(t *testing.T) {
	c := newCommandLine()
	for word, flags := range elsewhere() {
		if c.named(word) != nil || len(flags) == 0 {
			t.Errorf("%s leads to %q; want flags, and that it is none", word, flags)
		}
		for _, f := range flags {
			if c.named(f) == nil {
				t.Errorf("%s leads to --%s, which there is not", word, f)
			}
		}
	}
}

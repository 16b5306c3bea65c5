package l4

import "testing"

func TestParsePorts(t *testing.T) {
	all := ports{1, 65535}
	for text, want := range map[string]ports{
		"32768\t60999\n": {32768, 60999},
		"1024 1024":      {1024, 1024},
		"":               all,
		"32768":          all,
		"32768 70000":    all,
		"x y":            all,
	} {
		if got := parsePorts([]byte(text)); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

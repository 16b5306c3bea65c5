package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestUnregisteredProtocolsAreTold(t *testing.T) {
	f := furnished(t)
	args := f.args("-l 127.0.0.1:0 --tls-cert $D/both.pem --alpn htpp/1.1,h2,acme.corp/7 --backend-tls --backend-alpn postgresq1 --route alpn:mqt=127.0.0.1:9")
	stdout, stderr, status := invoke(nil, append([]string{"check", "127.0.0.1:8000"}, args...)...)
	var notes []string
	for line := range strings.Lines(stdout) {
		if strings.Contains(line, " is not registered") {
			notes = append(notes, line)
		}
	}
	const only = " is not registered, so that only programs of your own will know it"
	want := []string{
		"--alpn: the ALPN protocol htpp/1.1" + only + "; did you mean http/1.1?\n",
		"--alpn: the ALPN protocol acme.corp/7" + only + "\n",
		"--backend-alpn: the ALPN protocol postgresq1" + only + "; did you mean postgresql?\n",
		"--route: the ALPN protocol mqt" + only + "; did you mean mqtt?\n",
	}
	if !slices.Equal(notes, want) || status != exitDone {
		t.Errorf("got status %d, %s and the notes\n%swant\n%s", status, stderr, strings.Join(notes, ""), strings.Join(want, ""))
	}
	r := start(t, args...)
	for _, want := range []string{"WARN htpp/1.1 http/1.1", "INFO acme.corp/7 <nil>", "WARN postgresq1 postgresql", "WARN mqt mqtt"} {
		m := r.wait("an ALPN protocol is not registered")
		if got := fmt.Sprint(m["level"], " ", m["protocol"], " ", m["nearest"]); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	r.stop()
}

package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"forebay/l4/l4test"
)

func TestSampleAnswersWithWhereItIs(t *testing.T) {
	for accept, want := range map[string][]string{
		"*/*":                 {"backend 127.0.0.1:8001\n"},
		"text/html,*/*;q=0.8": {"<h1>8001</h1>", "127.0.0.1:8001", "#123456", `rel="icon" href="data:,"`},
	} {
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		request.Header.Set("Accept", accept)
		answer := httptest.NewRecorder()
		sampleHandler("127.0.0.1:8001", "#123456").ServeHTTP(answer, request)
		for _, w := range want {
			if !strings.Contains(answer.Body.String(), w) {
				t.Errorf("Accept %s: got %s, want it to have %q", accept, answer.Body, w)
			}
		}
	}
}

func TestSampleClosesItsConnections(t *testing.T) {
	at := l4test.Reserve(t, "127.0.0.1:0")
	s, err := startSample(at, "#000")
	if err != nil {
		t.Fatal(err)
	}
	defer stopSamples([]*sample{s})
	if answer := l4test.Dial(t, at).Send("GET / HTTP/1.1\r\nHost: sample\r\n\r\n").ReceiveAll(); !strings.HasSuffix(string(answer), at+"\n") {
		t.Errorf("got %q, want what ends with %s", answer, at)
	}
}

func TestCurlReachesSockets(t *testing.T) {
	for path, want := range map[string]string{"/run/a b": "--unix-socket '/run/a b'", "@app": "--abstract-unix-socket app"} {
		if got := curlSocket(path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

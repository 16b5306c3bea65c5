package main

import (
	"testing"
)

func TestRoutesAreWrittenAsRead(t *testing.T) {
	for text, want := range map[string]string{
		"db.example.com=10.0.0.7:5432":                      "",
		"DB.Example.com.=[::1]:80":                          "db.example.com=[::1]:80",
		"*.example.com,alpn:h2,a.example=b:1":               "*.example.com,a.example,alpn:h2=b:1",
		"*=b:1-3,weight=2,backup,c:1,max-conns=5":           "*=b:1-3,weight=2,backup,c:1,max-conns=5",
		"a.example=terminate,unix:/run/a=b.sock,backup,c:1": "a.example=unix:/run/a=b.sock,backup,c:1,terminate",
		"a.example=b:1,pass":                                "",
		"a.example=refuse":                                  "",
	} {
		if want == "" {
			want = text
		}
		var r route
		if err := r.UnmarshalText([]byte(text)); err != nil || r.String() != want {
			t.Errorf("%s: got %s, %v; want %s", text, r, err, want)
		}
	}
}

// What a route says of TLS itself comes first, then whether it is the default.
func TestWhatRoutesDoWithTLS(t *testing.T) {
	for _, test := range []struct {
		args              string
		terminates, spoke string // of the routes, the default one first
	}{
		{"a:1", "-", "-"},
		{"--backend-tls a:1", "-", "+"},
		{"--tls-cert c a:1", "+", "-"},
		{"--tls-cert c --backend-tls a:1", "+", "+"},
		{"--tls-cert c --backend-tls --route x.example=b:1 --route y.example=b:1,terminate a:1", "+-+", "+-+"},
		{"--tls-cert c --backend-tls --route x.example=b:1,terminate --route *=a:1,pass", "-+", "-+"},
		{"--tls-cert c --backend-tls --route x.example=b:1,terminate --route y.example=refuse", "-+-", "-+-"},
		{"--backend-tls --route x.example=b:1 a:1", "--", "--"},
	} {
		c := read(nil, (folder{}).args(test.args)...)
		terminates, spoke := "", ""
		for _, r := range c.config.routes() {
			terminates += sign(c.config.terminates(r))
			spoke += sign(c.config.speaksTLS(r))
		}
		if terminates != test.terminates || spoke != test.spoke {
			t.Errorf("%s: got %s and %s, want %s and %s", test.args, terminates, spoke, test.terminates, test.spoke)
		}
	}
}

func sign(yes bool) string {
	if yes {
		return "+"
	}
	return "-"
}

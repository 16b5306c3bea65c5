package health

import (
	"testing"

	"forebay/l4/l4test"
)

func TestRedis(t *testing.T) {
	for answer, down := range map[string]string{
		"+PONG\r\n":                                           "",
		"-NOAUTH Authentication required.\r\n":                "",
		"-NOPERM this user has no permissions\r\n":            "",
		"-ERR operation not permitted\r\n":                    "", // what NOAUTH was before Redis 2.8
		"-LOADING Redis is loading the dataset in memory\r\n": "LOADING",
		"-MASTERDOWN Link with MASTER is down\r\n":            "MASTERDOWN",
		"-DENIED Redis is running in protected mode\r\n":      "DENIED",
		"-BUSY Redis is busy running a script.\r\n":           "BUSY",
		"-ERR max number of clients reached\r\n":              "max number of clients",
		"HTTP/1.1 400 Bad Request\r\n":                        "want +PONG",
		"+PO":                                                 "wait for +PONG: the server closed the connection",
	} {
		t.Run(answer, func(t *testing.T) {
			b := l4test.Serve(t, func(p *l4test.Peer) {
				p.Expect("*1\r\n$4\r\nPING\r\n").SendEach(answer).CloseWrite().ExpectEOF()
			})
			judge(t, ask(t, Redis{}, b.Addr()), down)
			b.AwaitDone(1)
		})
	}
}

// judge fails unless r is down with the word in it, or up where the word is empty.
func judge(t testing.TB, r Result, down string) {
	t.Helper()
	if down == "" {
		wantUp(t, r)
		return
	}
	wantDown(t, r, down)
}

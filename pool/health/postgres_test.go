package health

import (
	"testing"

	"forebay/l4/l4test"
)

// wish is SSLRequest as the documentation has it: length 8, code 80877103.
const wish = "\x00\x00\x00\x08\x04\xd2\x16\x2f"

func TestPostgresWithoutUser(t *testing.T) {
	for answer, down := range map[string]string{
		"S":                         "",
		"N":                         "",
		pgErrorOf("53300", "sorry"): "refused: sorry (SQLSTATE 53300)",
		"H":                         "want S or N",
		"E\x00\x00\x00\x04":         "none of PostgreSQL's",
		"E\x7f\x00\x00\x00":         "none of PostgreSQL's",
		"E\x00\x00":                 "the server closed the connection",
		"":                          "wait for the answer to SSLRequest: the server closed the connection",
	} {
		t.Run(answer, func(t *testing.T) {
			b := l4test.Serve(t, func(p *l4test.Peer) { p.Expect(wish).Send(answer).CloseWrite().ExpectEOF() })
			judge(t, ask(t, Postgres{}, b.Addr()), down)
			b.AwaitDone(1)
		})
	}
}

// A session begins with the user's name. What refuses the name is up; what refuses everybody is not.
func TestPostgresWithUser(t *testing.T) {
	const startup = "\x00\x00\x00\x34" + "\x00\x03\x00\x00" + "user\x00u\x00" + "database\x00d\x00" + "application_name\x00forebay\x00" + "\x00"
	for answer, down := range map[string]string{
		"R\x00\x00\x00\x08\x00\x00\x00\x0a":                      "", // AuthenticationSASL, without its list
		pgErrorOf("28P01", "password authentication failed"):     "",
		pgErrorOf("28000", "no pg_hba.conf entry"):               "",
		pgErrorOf("3D000", "database does not exist"):            "",
		pgErrorOf("57P03", "the database system is starting up"): "refused: the database system is starting up (SQLSTATE 57P03)",
		pgErrorOf("53300", "too many clients already"):           "too many clients",
		"N": "want R",
	} {
		t.Run(answer, func(t *testing.T) {
			b := l4test.Serve(t, func(p *l4test.Peer) { p.Expect(startup).SendEach(answer).CloseWrite().ExpectEOF() })
			judge(t, ask(t, Postgres{User: "u", Database: "d"}, b.Addr()), down)
			b.AwaitDone(1)
		})
	}
}

const (
	pgOK     = "R\x00\x00\x00\x08\x00\x00\x00\x00"                                                                // AuthenticationOk
	pgStatus = "S\x00\x00\x00\x0ea\x00b\x00c\x00d\x00e\x00" + "K\x00\x00\x00\x0c\x00\x00\x00\x01\x00\x00\x00\x02" // ParameterStatus, BackendKeyData
	pgIdle   = "Z\x00\x00\x00\x05I"                                                                               // ReadyForQuery
)

// A session that is let in ends with Terminate once it is ready, and the server closes.
func TestPostgresTerminates(t *testing.T) {
	b := l4test.Serve(t, func(p *l4test.Peer) {
		p.Receive(0x29)
		p.SendEach(pgOK + pgStatus + pgIdle).Expect("X\x00\x00\x00\x04").Send("more").CloseWrite().ExpectEOF()
	})
	wantUp(t, ask(t, Postgres{User: "u"}, b.Addr()))
	b.AwaitDone(1)
}

// A server whose last connections are reserved lets an account in, and refuses the session after that.
func TestPostgresRefusesAfterAuthentication(t *testing.T) {
	for answer, down := range map[string]string{
		pgErrorOf("53300", "remaining connection slots are reserved"): "refused: remaining connection slots are reserved",
		pgStatus + pgErrorOf("57P01", "terminating connection"):       "terminating connection",
		pgErrorOf("3D000", "database does not exist"):                 "",
		pgStatus:                     "wait for the session to be ready: the server closed the connection",
		"S\x00\x00\x00\x03" + pgIdle: "none of PostgreSQL's",
	} {
		t.Run(answer, func(t *testing.T) {
			b := l4test.Serve(t, func(p *l4test.Peer) {
				p.Receive(0x29)
				p.SendEach(pgOK + answer).CloseWrite().ReceiveAll()
			})
			judge(t, ask(t, Postgres{User: "u"}, b.Addr()), down)
			b.AwaitDone(1)
		})
	}
}

// pgErrorOf returns an ErrorResponse.
func pgErrorOf(code, message string) string {
	body := "SFATAL\x00VFATAL\x00C" + code + "\x00M" + message + "\x00\x00"
	return "E\x00\x00\x00" + string(rune(len(body)+4)) + body
}

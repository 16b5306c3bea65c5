package l4

import (
	"time"

	"golang.org/x/sys/unix"
)

// A reader that pauses is not dead. Its window is closed, and its kernel answers each probe of the window (RFC 9293,
// section 3.8.6.1). It may pause for as long as it likes. But TCP_USER_TIMEOUT counts a window that stays closed as
// silence (tcp_probe_timer of Linux). So the peers of a session are looked at twice in that time. A peer pauses when
// bytes wait for it and none of them is on its way. Then the option is taken off its socket until it reads again. From
// then on its silence is counted here, by the probes that it leaves unanswered.

// An uptake is what the last look at a peer has found.
type uptake uint8

const (
	prompt uptake = iota // it has taken all that there was
	behind               // bytes wait for it or are on their way
	paused               // it does not read: the kernel's limit is off
)

// deadProbes is how often in a row a probe, or the sending of the same bytes, must go unanswered before a silent peer
// counts as dead.
const deadProbes = 3

// nextPeerLook is when to look at the peers; the session's timer fires then. There is no look where nothing has moved
// since the look before the last, and nothing waits.
func (s *session) nextPeerLook() int64 {
	every := int64(s.loop.server.UserTimeout / 2)
	age := s.loop.now - s.connected
	switch {
	case every <= 0:
		return never
	case age < every:
		return s.connected + every
	}
	last := s.connected + age/every*every
	if s.moved < last-every && s.client.uptake == prompt && s.backend.uptake == prompt {
		return never
	}
	return last + every
}

// lookAtPeers looks at the client and, once the kernel guards it, at the backend.
func (s *session) lookAtPeers() {
	limit := s.loop.server.UserTimeout
	if s.stage != relaying || limit <= 0 {
		return
	}
	s.client.look(limit, &s.loop.info)
	if s.guarded {
		s.backend.look(limit, &s.loop.info)
	}
}

// look finds out whether e's peer pauses, is dead, or neither.
func (e *side) look(limit time.Duration, info *unix.TCPInfo) {
	*info = unix.TCPInfo{}
	if !e.tcp || !e.open() || e.broken() || !tcpInfo(e.fd, info) {
		return
	}
	now := prompt
	switch {
	case info.Unacked == 0 && info.Notsent_bytes == 0:
	case info.Unacked > 0 && info.Snd_wnd > 0:
		now = behind
	default:
		now = paused
	}
	silent := time.Duration(info.Last_ack_recv) * time.Millisecond
	switch unanswered := max(info.Probes, info.Retransmits); {
	case now == paused && silent >= limit && unanswered >= deadProbes:
		e.breakDown(unix.ETIMEDOUT)
	case now == paused && e.uptake != paused:
		setInt(e.fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 0)
	case now != paused && e.uptake == paused:
		setInt(e.fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(limit/time.Millisecond))
	}
	e.uptake = now
}

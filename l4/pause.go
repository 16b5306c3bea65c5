package l4

import (
	"time"

	"golang.org/x/sys/unix"
)

// A reader that pauses, or reads slowly, is not dead. Its window is closed, and its kernel answers each probe of the
// window (RFC 9293, section 3.8.6.1). It may pause for as long as it likes. But TCP_USER_TIMEOUT counts a window that
// stays closed as silence. It counts from the first probe on, and where the window opens by less than what stands first
// in the queue, it goes on counting although bytes go out and are acknowledged (tcp_probe_timer and tcp_ack_probe of
// Linux). So the peers of a session are looked at twice in that time. Once bytes are found waiting for a peer, the
// option is taken off its socket for good. From then on its silence is counted here: nothing was heard of it for that
// time, and probes, or the same bytes sent again, have gone unanswered.

// An uptake is what the last look at a peer has found.
type uptake uint8

const (
	prompt   uptake = iota // it has taken all that there was, each time
	behind                 // bytes wait for it or are on their way; the kernel's limit is off
	caughtUp               // it has taken all that there was, and was behind before
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
	if s.moved < last-every && s.client.uptake != behind && s.backend.uptake != behind {
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

// look finds out whether bytes wait for e's peer, and whether it is dead.
func (e *side) look(limit time.Duration, info *unix.TCPInfo) {
	*info = unix.TCPInfo{}
	if !e.tcp || !e.open() || e.broken() || !tcpInfo(e.fd, info) {
		return
	}
	if info.Unacked == 0 && info.Notsent_bytes == 0 {
		if e.uptake == behind {
			e.uptake = caughtUp
		}
		return
	}
	if e.uptake == prompt {
		setInt(e.fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 0)
	}
	e.uptake = behind
	silent := time.Duration(info.Last_ack_recv) * time.Millisecond
	if silent >= limit && max(info.Probes, info.Retransmits) >= deadProbes {
		e.breakDown(unix.ETIMEDOUT)
	}
}

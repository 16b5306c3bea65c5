package l4

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"sync"

	"forebay/pool"
)

// A source is where clients come from: an IPv4 address, or an IPv6 network of 64 bits, as one customer has at least
// that much. While sessions of a source are open they point to it. After that it is remembered until another source
// needs its place.
type source struct {
	key  uint64
	home *sourceShard

	// Under the shard's mutex.
	next         *source // in the shard's chain
	older, newer *source // among those without a session
	sessions     int     // open

	started  bucket // of new sessions
	up, down bucket // of bytes, shared by all its sessions
}

// sources is a table of bounded size. A place in it is made when it is first needed. Once all are made, the source that
// has had no session for longest makes room; one about which nothing is known makes room before. The table is divided
// into shards. A shard's mutex is held for a few steps when a session begins and when it ends, and at no other time.
type sources struct {
	seed   maphash.Seed
	shards [sourceShards]sourceShard
	limits *Limits
}

// A sourceShard is a part of the table: a hash table with chains, and the list of those that can make room.
type sourceShard struct {
	table *sources

	mu     sync.Mutex
	heads  []*source // of the chains
	fresh  []source  // places that were made and never used
	idle   source    // head of the list of sources without a session: newer points to the one without for longest
	made   int       // places
	most   int       // how many may be
	passed uint64    // sessions let in uncounted, as every place was taken by a source with sessions
}

const (
	sourceShards = 16
	sourceSlab   = 64 // places made at once
	// sourcesBeside is how many sources are remembered beside those that have sessions.
	sourcesBeside = 64 << 10
	// sourcesSlack is what a shard has beyond its share, since chance does not divide evenly.
	sourcesSlack = 256
)

// newSources returns a table for so many sessions at once.
func newSources(limits *Limits, sessions int) *sources {
	t := &sources{seed: maphash.MakeSeed(), limits: limits}
	for i := range t.shards {
		h := &t.shards[i]
		h.table = t
		h.most = (sessions+sourcesBeside)/sourceShards + sourcesSlack
		h.idle.newer, h.idle.older = &h.idle, &h.idle
		h.heads = make([]*source, sourceSlab)
	}
	return t
}

// sourceKey returns the number of the source of ip: the network's half of an IPv6 address, and an IPv4 address where
// IPv6 has multicast, from which no client comes.
func sourceKey(ip netip.Addr) uint64 {
	if ip = ip.Unmap(); ip.Is4() {
		b := ip.As4()
		return 0xff<<56 | uint64(binary.BigEndian.Uint32(b[:]))
	}
	b := ip.As16()
	if ip.IsLinkLocalUnicast() {
		return linkLocalKey(binary.BigEndian.Uint64(b[8:]), ip.Zone())
	}
	return binary.BigEndian.Uint64(b[:8])
}

// linkLocalKey returns the number of a source on this machine's own links. All hosts there share the network's half, so
// each address of each link is a source. The number's first byte is that of such addresses, and the rest a hash (FNV-1a
// of the zone, then a multiplication).
func linkLocalKey(host uint64, zone string) uint64 {
	hash := uint64(14695981039346656037)
	for _, c := range []byte(zone) {
		hash = (hash ^ uint64(c)) * 1099511628211
	}
	hash = (hash ^ host) * 0x9e3779b97f4a7c15
	return 0xfe<<56 | (hash^hash>>32)&(1<<56-1)
}

// enter counts a session of a client at ip, and returns the source that the session has to leave when it ends. Where a
// cause is returned, the session is refused and not counted. A source for which there is no place is not limited: enter
// returns nil.
func (t *sources) enter(ip netip.Addr, now int64) (*source, Cause) {
	key := sourceKey(ip)
	hash := t.hash(key)
	h := &t.shards[hash%sourceShards]
	defer pool.Corrupting()
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.findLocked(key, hash, now)
	if s == nil {
		h.passed++
		return nil, CauseNone
	}
	limits := t.limits
	switch {
	case limits.ClientConns > 0 && s.sessions >= limits.ClientConns:
		return nil, OverConns
	case limits.ClientRate.limits() && s.started.left(now, limits.ClientRate) < 1:
		return nil, OverRate
	}
	if limits.ClientRate.limits() {
		s.started.take(now, 1, limits.ClientRate)
	}
	if s.sessions == 0 {
		s.unlink()
	}
	s.sessions++
	return s, CauseNone
}

// leave ends a session that enter has counted.
func (t *sources) leave(s *source) {
	h := s.home
	defer pool.Corrupting()
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.sessions--; s.sessions == 0 {
		h.linkLocked(s)
	}
}

// findLocked returns the source of that key, and makes room for it if it is new. nil: there is no room.
func (h *sourceShard) findLocked(key, hash uint64, now int64) *source {
	for s := *h.chain(hash); s != nil; s = s.next {
		if s.key == key {
			return s
		}
	}
	s := h.placeLocked(now)
	if s == nil {
		return nil
	}
	head := h.chain(hash) // making places may have moved it
	*s = source{key: key, home: h, next: *head}
	*head = s
	h.linkLocked(s)
	return s
}

// chain returns the head of the chain for a hash.
func (h *sourceShard) chain(hash uint64) **source {
	return &h.heads[hash/sourceShards%uint64(len(h.heads))]
}

// hash is seeded, so that nobody can choose addresses that fall into one chain.
func (t *sources) hash(key uint64) uint64 {
	return maphash.Comparable(t.seed, key)
}

// placeLocked returns a place for another source: one whose source is as good as forgotten, else a new one, else that
// of the source that has had no session for longest.
func (h *sourceShard) placeLocked(now int64) *source {
	oldest := h.idle.newer
	switch {
	case oldest != &h.idle && (h.table.forgets(oldest, now) || len(h.fresh) == 0 && h.made >= h.most):
		h.forgetLocked(oldest)
		return oldest
	case len(h.fresh) == 0 && h.made >= h.most:
		return nil
	case len(h.fresh) == 0:
		h.growLocked()
	}
	s := &h.fresh[0]
	h.fresh = h.fresh[1:]
	return s
}

// forgets reports whether a source that has no session is as good as a new one.
func (t *sources) forgets(s *source, now int64) bool {
	l := t.limits
	return s.started.full(now, l.ClientRate) && s.up.full(now, l.ClientUpload) && s.down.full(now, l.ClientDownload)
}

// forgetLocked takes s out of its chain and out of the list.
func (h *sourceShard) forgetLocked(s *source) {
	at := h.chain(h.table.hash(s.key))
	for *at != s {
		at = &(*at).next
	}
	*at = s.next
	s.unlink()
}

// growLocked makes places, and chains where there are more sources than chains.
func (h *sourceShard) growLocked() {
	n := min(sourceSlab, h.most-h.made)
	h.fresh = make([]source, n)
	if h.made += n; h.made <= len(h.heads) {
		return
	}
	old := h.heads
	h.heads = make([]*source, 2*len(old))
	for _, s := range old {
		for s != nil {
			head := h.chain(h.table.hash(s.key))
			s, s.next, *head = s.next, *head, s
		}
	}
}

// linkLocked puts s behind the sources that have had no session for longer.
func (h *sourceShard) linkLocked(s *source) {
	s.older, s.newer = h.idle.older, &h.idle
	s.older.newer, s.newer.older = s, s
}

func (s *source) unlink() {
	s.older.newer, s.newer.older = s.newer, s.older
	s.older, s.newer = nil, nil
}

// count returns how many sources are remembered, and how many sessions were let in uncounted.
func (t *sources) count() (remembered int, passed uint64) {
	for i := range t.shards {
		h := &t.shards[i]
		h.mu.Lock()
		remembered += h.made - len(h.fresh)
		passed += h.passed
		h.mu.Unlock()
	}
	return remembered, passed
}

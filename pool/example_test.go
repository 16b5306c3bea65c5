package pool_test

import (
	"fmt"
	"net/netip"
	"time"

	"forebay/pool"
)

// A session picks, tries, and picks again among the backends that it has not tried.
func Example() {
	backends := make([]pool.Config, 2)
	for i := range backends {
		port := uint16(8000 + i)
		backends[i] = pool.Config{
			Name:  fmt.Sprint("127.0.0.1:", port),
			Addrs: []pool.Address{pool.TCPAddress(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port))},
		}
	}
	p, err := pool.New(pool.Options{Policy: pool.LeastConn}, backends)
	if err != nil {
		fmt.Println(err)
		return
	}

	var r pool.Request
	lease, _ := p.Pick(&r)
	fmt.Println(lease.Backend(), "refuses")
	lease.Done(pool.Refused)

	r.Tried = append(r.Tried, lease.Backend())
	lease, _ = p.Pick(&r)
	lease.Connected(80 * time.Microsecond)
	fmt.Println(lease.Backend(), "serves")
	lease.Done(pool.Served)

	r.Tried = append(r.Tried, lease.Backend())
	_, err = p.Pick(&r)
	fmt.Println(err)
	// Output:
	// 127.0.0.1:8000 refuses
	// 127.0.0.1:8001 serves
	// no backend may serve this session
}

package l4

// load is how busy a loop has been.
type load struct{}

func (l *loop) balance() {}

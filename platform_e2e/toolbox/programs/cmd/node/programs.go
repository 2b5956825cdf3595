package main

import (
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Program is one of the node's programs.
type Program struct {
	Name string   `json:"name"`
	Argv []string `json:"argv"`
	Env  []string `json:"env"`
	// Log is the file that its output is added to.
	Log string `json:"log"`
	// After names the programs that must be ready before it starts.
	After []string `json:"after"`
	// Ready tells when it can be used; without, it is ready as soon as it runs.
	Ready *Probe `json:"ready"`
}

const (
	firstPause = 200 * time.Millisecond
	mostPause  = 10 * time.Second
	// grace is what programs get to end by themselves before the kernel ends them.
	grace = 5 * time.Second
)

// children starts processes and learns how they end. Process 1 inherits every orphan of the node, and one that is not
// waited for stays as a zombie; os/exec's own waiting would race with that, so all waiting is done here.
type children struct {
	mutex   sync.Mutex
	waiting map[int]chan syscall.WaitStatus
}

func newChildren() *children {
	c := &children{waiting: map[int]chan syscall.WaitStatus{}}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	go func() {
		for range ended {
			c.bury()
		}
	}()
	return c
}

// bury waits for every child that has ended.
func (c *children) bury() {
	for {
		// A process must be known by its number before its end is looked up.
		c.mutex.Lock()
		var status syscall.WaitStatus
		id, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err == nil && id > 0 {
			if known, ok := c.waiting[id]; ok {
				known <- status
				delete(c.waiting, id)
			}
		}
		c.mutex.Unlock()
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || id <= 0 {
			return
		}
	}
}

// start runs a program with its output in a file, and returns where its end is told.
func (c *children) start(argv, env []string, output *os.File) (int, <-chan syscall.WaitStatus, error) {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return 0, nil, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, nil, err
	}
	defer null.Close()
	c.mutex.Lock()
	defer c.mutex.Unlock()
	id, err := syscall.ForkExec(path, argv, &syscall.ProcAttr{
		Dir:   "/",
		Env:   append(os.Environ(), env...),
		Files: []uintptr{null.Fd(), output.Fd(), output.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0, nil, fmt.Errorf("starting %s: %w", path, err)
	}
	told := make(chan syscall.WaitStatus, 1)
	c.waiting[id] = told
	return id, told, nil
}

// command runs a program to its end; its output goes to the node's own log.
func (c *children) command(argv []string) error {
	_, ended, err := c.start(argv, nil, os.Stderr)
	if err != nil {
		return err
	}
	if status := <-ended; !status.Exited() || status.ExitStatus() != 0 {
		return fmt.Errorf("%v: %s", argv, describe(status))
	}
	return nil
}

func describe(status syscall.WaitStatus) string {
	if status.Signaled() {
		return fmt.Sprintf("ended by signal %d (%s)", status.Signal(), status.Signal())
	}
	return fmt.Sprintf("ended with status %d", status.ExitStatus())
}

// run is process 1 of the node. It returns the node's exit status.
func run(config Config) int {
	stop := make(chan os.Signal, 2)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	began := time.Now()
	must(lay(config))
	if config.Hostname != "" {
		must(unix.Sethostname([]byte(config.Hostname)))
	}
	if config.Delegate != "" {
		must(delegate(config.Delegate))
	}
	set(config.Sysctls)
	family := newChildren()
	for _, argv := range config.Commands {
		must(family.command(argv))
	}
	log.Printf("mounts and settings after %.3f s", time.Since(began).Seconds())
	ready := map[string]chan struct{}{}
	for _, program := range config.Programs {
		ready[program.Name] = make(chan struct{})
	}
	for _, program := range config.Programs {
		for _, name := range program.After {
			if ready[name] == nil {
				log.Fatalf("%s waits for %s, which this node does not have", program.Name, name)
			}
		}
	}
	for _, program := range config.Programs {
		go func() {
			for _, name := range program.After {
				<-ready[name]
			}
			program.keep(family, func() {
				log.Printf("%s ready after %.3f s", program.Name, time.Since(began).Seconds())
				close(ready[program.Name])
			})
		}()
	}
	log.Printf("got %s, ending", <-stop)
	end(stop)
	return 0
}

// keep runs the program for ever, and says once when it is ready.
func (program Program) keep(family *children, ready func()) {
	pause := firstPause
	var once sync.Once
	for {
		began := time.Now()
		if output, err := os.OpenFile(program.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
			log.Print(err)
		} else {
			id, ended, err := family.start(program.Argv, program.Env, output)
			output.Close()
			if err != nil {
				log.Print(err)
			} else {
				log.Printf("%s started as process %d", program.Name, id)
				gone := make(chan struct{})
				go func() {
					if program.Ready.await(gone) {
						once.Do(ready)
					}
				}()
				status := <-ended
				close(gone)
				log.Printf("%s %s after %.1f s; see %s", program.Name, describe(status), time.Since(began).Seconds(), program.Log)
			}
		}
		if time.Since(began) > mostPause {
			pause = firstPause
		}
		time.Sleep(pause)
		pause = min(2*pause, mostPause)
	}
}

// end asks every process of the node to end, and returns when all have or the grace is over. The kernel ends the rest
// with process 1.
func end(stop <-chan os.Signal) {
	_ = unix.Kill(-1, unix.SIGTERM)
	deadline := time.After(grace)
	tick := time.NewTicker(20 * time.Millisecond)
	for {
		select {
		case <-tick.C:
			if err := unix.Kill(-1, 0); errors.Is(err, unix.ESRCH) {
				return
			}
		case <-deadline:
			return
		case <-stop:
			return
		}
	}
}

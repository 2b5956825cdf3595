// Command node is what a cluster's node runs first.
//
// `node run CONFIG` is process 1 of a node: it lays the node's mounts, starts the node's programs as soon as what they
// wait for is ready, restarts those that end, buries orphans, and ends everything on SIGTERM. It does not ask how the
// namespaces came about: they may be a container's.
//
// `node enter [flags] CONFIG` makes private namespaces on this host, runs `node run CONFIG` in them, and dies with the
// process that started it.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
)

// Config is the JSON document that describes one node.
type Config struct {
	// Hostname of the node; empty leaves it as it is.
	Hostname string `json:"hostname"`
	// Root is the directory that becomes the root file system; empty stays in the present one.
	Root string `json:"root"`
	// Mounts are made in this order, their targets taken inside the root.
	Mounts []Mount `json:"mounts"`
	// Devices are names under /dev that the node gets too; one that the host lacks is left out.
	Devices []string `json:"devices"`
	// Links are made in the root: path to target.
	Links map[string]string `json:"links"`
	// Delegate is a cgroup v2 directory that gets all controllers for its children; what runs in it moves into a child.
	Delegate string `json:"delegate"`
	// Sysctls by their dotted name; one that cannot be set is reported and left.
	Sysctls map[string]string `json:"sysctls"`
	// Commands run to their end, one after the other, before the first program starts.
	Commands [][]string `json:"commands"`
	// Programs run until the node ends.
	Programs []Program `json:"programs"`
}

func main() {
	log.SetFlags(log.Ltime | log.Lmicroseconds)
	if len(os.Args) < 2 {
		usage()
	}
	switch flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError); os.Args[1] {
	case "run":
		must(flags.Parse(os.Args[2:]))
		os.Exit(run(read(argument(flags))))
	case "enter":
		var how namespaces
		flags.IntVar(&how.parent, "parent", 0, "process `id` of the starter; a node whose starter is gone does not start")
		flags.StringVar(&how.network, "network", "", "`file` of the network namespace to run in")
		flags.Func("cgroup", "cgroup `directory` to run in, once for each hierarchy", func(directory string) error {
			how.cgroups = append(how.cgroups, directory)
			return nil
		})
		must(flags.Parse(os.Args[2:]))
		os.Exit(enter(how, argument(flags)))
	default:
		usage()
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: node run CONFIG | node enter [-parent ID] [-network FILE] [-cgroup DIRECTORY]... CONFIG")
	os.Exit(2)
}

func argument(flags *flag.FlagSet) string {
	if flags.NArg() != 1 {
		usage()
	}
	return flags.Arg(0)
}

func read(path string) Config {
	var config Config
	data, err := os.ReadFile(path)
	must(err)
	if err := json.Unmarshal(data, &config); err != nil {
		log.Fatalf("%s: %v", path, err)
	}
	return config
}

// must ends the node: what it guards is needed by everything that follows.
func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

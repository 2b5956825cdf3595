// Command stand-in runs in place of a container whose image cannot be had. It keeps what the container's pod declares:
// its ports take connections, its probes are answered, a container that is to end ends with success.
//
// Its only argument is a JSON object, which `cmd/stand-ins` makes from the pod.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"
)

// Duties are what a stand-in has to do.
type Duties struct {
	// Image is what it stands for.
	Image string `json:"image"`
	// Ends tells that it is part of a Job or prepares its pod, so that it has nothing to wait for.
	Ends bool  `json:"ends"`
	TCP  []int `json:"tcp"`
	UDP  []int `json:"udp"`
}

func main() {
	log.SetFlags(0)
	duties, err := read(os.Args[1:])
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("a stand-in for %s", duties.Image)
	if duties.Ends {
		return
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	if err := serve(duties); err != nil {
		log.Fatal(err)
	}
	log.Printf("got %s", <-stop)
}

func read(args []string) (Duties, error) {
	var duties Duties
	if len(args) != 1 {
		return duties, fmt.Errorf("stand-in takes one argument, its duties, got %d", len(args))
	}
	err := json.Unmarshal([]byte(args[0]), &duties)
	return duties, err
}

// serve listens on every port. One that is taken, by another container of the pod or by the node, is said and left.
func serve(duties Duties) error {
	answers, err := newServer(duties.Image)
	if err != nil {
		return err
	}
	for _, port := range duties.TCP {
		listener, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err != nil {
			log.Print(err)
			continue
		}
		log.Printf("listens on TCP port %d", port)
		go answers.accept(listener)
	}
	for _, port := range duties.UDP {
		// Datagrams are taken and not answered: what they would mean is not known.
		if _, err := net.ListenPacket("udp", fmt.Sprintf(":%d", port)); err != nil {
			log.Print(err)
			continue
		}
		log.Printf("listens on UDP port %d", port)
	}
	return nil
}

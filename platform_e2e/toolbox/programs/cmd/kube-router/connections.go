package main

import (
	"log"

	"github.com/cloudnativelabs/kube-router/v2/pkg/controllers/netpol"
	"github.com/cloudnativelabs/kube-router/v2/pkg/metrics"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// observer takes the place of the controller's measurement of its time, which it makes when all rules are written.
type observer struct {
	prometheus.Histogram
	written wake
}

func (o observer) Observe(seconds float64) {
	log.Printf("rules written in %.3f s", seconds)
	o.written.set()
}

// tellWhenWritten returns a signal that is set whenever the controller has written the rules.
func tellWhenWritten(controller *netpol.NetworkPolicyController) wake {
	written := make(wake, 1)
	metrics.ControllerIptablesSyncTime = observer{metrics.ControllerIptablesSyncTime, written}
	// It asks for the measurement; without the controller's own configuration nothing is published.
	controller.MetricsEnabled = true
	return written
}

// ofPods matches connections that a pod of these addresses has begun or answers.
type ofPods map[string]bool

func (pods ofPods) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	// Who answers is in the reply: the destination may be a Service's address.
	return pods[flow.Forward.SrcIP.String()] || pods[flow.Reverse.SrcIP.String()]
}

// cut removes the connections of pods from the connection table, so that their next packet is judged by the rules.
func cut(pods ofPods) {
	if len(pods) == 0 {
		return
	}
	count, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, unix.AF_INET, pods)
	if err != nil {
		log.Printf("connections of %d pods stay open: %v", len(pods), err)
		return
	}
	log.Printf("%d connections of %d pods are judged again", count, len(pods))
}

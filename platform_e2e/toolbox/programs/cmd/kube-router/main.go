// Command kube-router enforces the cluster's NetworkPolicies on one node: kube-router's policy controller alone, as k3s runs it.
//
// Four things differ from k3s. A policy of both types is two (inOneDirection). Nothing is written to iptables before the cluster has its first NetworkPolicy, since the
// controller's rules for every pod cost processor time whenever a pod starts. Changes within a moment are one change. And a
// changed NetworkPolicy also holds for connections that are open: their entries in the connection table are removed, so that
// their next packet is judged. Otherwise a client that keeps its connection, as Prometheus does, would never see it.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/cloudnativelabs/kube-router/v2/pkg/controllers/netpol"
	"github.com/cloudnativelabs/kube-router/v2/pkg/healthcheck"
	"github.com/cloudnativelabs/kube-router/v2/pkg/options"
	core "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// together is how long changes are collected into one.
	together = 50 * time.Millisecond
	// period is k3s' time between two writings of all rules without a change.
	period = 5 * time.Minute
	// nodePorts is the API server's default.
	nodePorts = "30000-32767"
)

func main() {
	log.SetFlags(log.Ltime | log.Lmicroseconds)
	kubeconfig := flag.String("kubeconfig", "", "how to reach the API server")
	node := flag.String("node", "", "name of this node")
	services := flag.String("services", "", "network of the Services' cluster addresses")
	flag.Parse()
	ended, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ended, *kubeconfig, *node, *services); err != nil && !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
}

func run(ended context.Context, kubeconfig, node, services string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(withoutManagers))
	watch := newWatch(factory)
	if err := watch.first(ended); err != nil {
		return err
	}
	log.Print("the first NetworkPolicy is there: from now on this node enforces them")
	if err := watch.others(ended); err != nil {
		return err
	}
	if err := registered(ended, client, node); err != nil {
		return err
	}
	controller, err := newController(client, watch, node, services)
	if err != nil {
		return err
	}
	written := tellWhenWritten(controller)
	// The controller says so each time before it begins to read policies and to write rules, and waits until it is heard.
	health := make(chan *healthcheck.ControllerHeartbeat)
	go func() {
		for range health {
			watch.begin()
		}
	}()
	var running sync.WaitGroup
	running.Add(1)
	go controller.Run(health, ended.Done(), &running)
	for {
		select {
		case <-ended.Done():
			return nil
		case <-watch.changed:
			time.Sleep(together)
			watch.changed.empty()
			controller.RequestFullSync()
		case <-written:
			cut(watch.selected())
		}
	}
}

func newController(client kubernetes.Interface, watch *watch, node, services string) (*netpol.NetworkPolicyController, error) {
	config := &options.KubeRouterConfig{
		ClusterIPCIDRs:     []string{services},
		EnableIPv4:         true,
		HostnameOverride:   node,
		IPTablesSyncPeriod: period,
		NodePortRange:      nodePorts,
	}
	tables, sets, err := netpol.NewIPTablesHandlers(config)
	if err != nil {
		return nil, err
	}
	return netpol.NewNetworkPolicyController(
		client, config, watch.pods, inOneDirection{watch.policies}, watch.namespaces, &sync.Mutex{}, tables, sets)
}

// withoutManagers leaves out of an object who wrote its fields, often half of its size.
func withoutManagers(object any) (any, error) {
	if known, err := apimeta.Accessor(object); err == nil {
		known.SetManagedFields(nil)
	}
	return object, nil
}

// registered waits until the Node has its address, by which the controller finds the pods that run here.
func registered(ended context.Context, client kubernetes.Interface, node string) error {
	return wait.PollUntilContextCancel(ended, 200*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		found, err := client.CoreV1().Nodes().Get(ctx, node, meta.GetOptions{})
		if err != nil {
			return false, nil
		}
		for _, address := range found.Status.Addresses {
			if address.Type == core.NodeInternalIP {
				return true, nil
			}
		}
		return false, nil
	})
}

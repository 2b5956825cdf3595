package main

import (
	"net"
	"testing"

	"github.com/vishvananda/netlink"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

func policy(types ...networking.PolicyType) *networking.NetworkPolicy {
	return &networking.NetworkPolicy{
		ObjectMeta: meta.ObjectMeta{Name: "p", Namespace: "a", Generation: 1},
		Spec: networking.NetworkPolicySpec{
			PolicyTypes: types,
			PodSelector: meta.LabelSelector{MatchLabels: map[string]string{"app": "server"}},
			Ingress:     []networking.NetworkPolicyIngressRule{{}},
			Egress:      []networking.NetworkPolicyEgressRule{{}},
		},
	}
}

func pod(name, address string, hostNetwork bool) *core.Pod {
	return &core.Pod{
		ObjectMeta: meta.ObjectMeta{Name: name, Namespace: "a", Labels: map[string]string{"app": name}},
		Spec:       core.PodSpec{HostNetwork: hostNetwork},
		Status:     core.PodStatus{PodIP: address},
	}
}

func TestAPolicyOfBothTypesBecomesTwoWithNothingOfTheOther(t *testing.T) {
	whole := policy(networking.PolicyTypeIngress, networking.PolicyTypeEgress)
	parts := split(whole)
	if len(parts) != 2 || parts[0].Name == parts[1].Name {
		t.Fatalf("got %v", parts)
	}
	if parts[0].Spec.Egress != nil || len(parts[0].Spec.Ingress) != 1 || parts[1].Spec.Ingress != nil || len(parts[1].Spec.Egress) != 1 {
		t.Errorf("got %+v and %+v", parts[0].Spec, parts[1].Spec)
	}
	if whole.Name != "p" || len(whole.Spec.PolicyTypes) != 2 {
		t.Error("the policy itself is changed")
	}
}

func TestAPolicyOfOneTypeStaysAsItIs(t *testing.T) {
	one := policy(networking.PolicyTypeEgress)
	if parts := split(one); len(parts) != 1 || parts[0] != one {
		t.Errorf("got %v", parts)
	}
}

func TestOnlyWhatChangesARuleIsTold(t *testing.T) {
	watch := newWatch(informers.NewSharedInformerFactory(nil, 0))
	told := func(before, after any) bool {
		watch.changed.empty()
		watch.podChanged(before, after)
		select {
		case <-watch.changed:
			return true
		default:
			return false
		}
	}
	before := pod("server", "10.0.0.1", false)
	for name, change := range map[string]func(*core.Pod){
		"another address": func(p *core.Pod) { p.Status.PodIP = "10.0.0.2" },
		"no labels":       func(p *core.Pod) { p.Labels = nil },
		"its end":         func(p *core.Pod) { p.Status.Phase = core.PodSucceeded },
		"another node":    func(p *core.Pod) { p.Status.HostIP = "10.0.1.1" },
	} {
		after := before.DeepCopy()
		change(after)
		if !told(before, after) {
			t.Errorf("%s is not told", name)
		}
	}
	after := before.DeepCopy()
	after.Status.Conditions = []core.PodCondition{{Type: core.PodReady}}
	after.Status.Phase = core.PodRunning
	if told(before, after) {
		t.Error("a condition and a phase are told")
	}
	if !told(nil, before) || !told(before, nil) || !told(cache.DeletedFinalStateUnknown{Obj: before}, nil) {
		t.Error("a new pod, or one that is gone, is not told")
	}
	for _, without := range []*core.Pod{pod("server", "", false), pod("server", "10.0.0.1", true)} {
		if told(nil, without) || told(without, nil) {
			t.Errorf("%v is told", without.Status)
		}
	}
}

func TestConnectionsOfSelectedPodsAreJudgedAgainOnceTheRulesAreWritten(t *testing.T) {
	watch := newWatch(informers.NewSharedInformerFactory(nil, 0))
	watch.pods = watch.factory.Core().V1().Pods().Informer()
	for _, known := range []*core.Pod{
		pod("server", "10.0.0.1", false), pod("client", "10.0.0.2", false), pod("server", "10.0.0.3", true),
	} {
		known.Name += known.Status.PodIP
		if err := watch.pods.GetIndexer().Add(known); err != nil {
			t.Fatal(err)
		}
	}
	watch.policyChanged(policy(networking.PolicyTypeIngress))
	if found := watch.selected(); len(found) != 0 {
		t.Errorf("before the controller has begun: %v", found)
	}
	watch.begin()
	if found := watch.selected(); len(found) != 1 || !found["10.0.0.1"] {
		t.Errorf("got %v", found)
	}
	if found := watch.selected(); len(found) != 0 {
		t.Errorf("a second time: %v", found)
	}
}

func TestAConnectionIsOfAPodThatBeginsOrAnswersIt(t *testing.T) {
	pods := ofPods{"10.0.0.1": true}
	for _, example := range []struct {
		from, answers string
		want          bool
	}{{"10.0.0.1", "10.0.0.2", true}, {"10.0.0.2", "10.0.0.1", true}, {"10.0.0.2", "10.0.0.3", false}} {
		flow := &netlink.ConntrackFlow{
			Forward: netlink.IPTuple{SrcIP: net.ParseIP(example.from), DstIP: net.ParseIP("10.43.0.1")},
			Reverse: netlink.IPTuple{SrcIP: net.ParseIP(example.answers)},
		}
		if pods.MatchConntrackFlow(flow) != example.want {
			t.Errorf("from %s, answered by %s", example.from, example.answers)
		}
	}
}

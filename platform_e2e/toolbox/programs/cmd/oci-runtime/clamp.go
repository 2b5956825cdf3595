package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// sysResource is CAP_SYS_RESOURCE in linux/capability.h.
const sysResource = 24

// names of the capabilities, in the order of their numbers in linux/capability.h.
var names = strings.Fields(`
	CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
	NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
	SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE
	MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE`)

// limits are what this process may grant at most.
type limits struct {
	bounding uint64 // capabilities, one bit each
	oomScore int    // the lowest oom_score_adj that it may set without CAP_SYS_RESOURCE
}

func (l limits) unlimited() bool { return l.bounding>>sysResource&1 == 1 }

func (l limits) grants(capability string) bool {
	number := slices.Index(names, strings.TrimPrefix(capability, "CAP_"))
	return number >= 0 && l.bounding>>number&1 == 1
}

func readLimits(proc string) (limits, error) {
	var read limits
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil {
		return read, err
	}
	_, rest, found := strings.Cut(string(status), "CapBnd:")
	if !found {
		return read, fmt.Errorf("%s/status has no CapBnd", proc)
	}
	if read.bounding, err = strconv.ParseUint(strings.Fields(rest)[0], 16, 64); err != nil {
		return read, err
	}
	score, err := os.ReadFile(filepath.Join(proc, "oom_score_adj"))
	if err != nil {
		return read, err
	}
	read.oomScore, err = strconv.Atoi(strings.TrimSpace(string(score)))
	return read, err
}

// object is JSON of which only some members are looked at; all others stay as they were written.
type object map[string]json.RawMessage

// clamp rewrites the file that describes the process to start, if the command starts one.
func clamp(asked call, self limits) error {
	switch {
	case asked.command == "create" || asked.command == "run":
		return rewrite(filepath.Join(asked.bundle, "config.json"), func(spec object) error {
			return within(spec, "process", func(process object) error { return clampProcess(process, self) })
		})
	case asked.command == "exec" && asked.process != "":
		return rewrite(asked.process, func(process object) error { return clampProcess(process, self) })
	}
	return nil
}

func clampProcess(process object, self limits) error {
	if raw, found := process["oomScoreAdj"]; found && string(raw) != "null" {
		var score int
		if err := json.Unmarshal(raw, &score); err != nil {
			return fmt.Errorf("oomScoreAdj: %w", err)
		}
		process["oomScoreAdj"] = json.RawMessage(strconv.Itoa(max(score, self.oomScore)))
	}
	return within(process, "capabilities", func(sets object) error {
		for set, raw := range sets {
			var asked []string
			if err := json.Unmarshal(raw, &asked); err != nil {
				return fmt.Errorf("capabilities.%s: %w", set, err)
			}
			granted := slices.DeleteFunc(asked, func(one string) bool { return !self.grants(one) })
			kept, err := json.Marshal(granted)
			if err != nil {
				return err
			}
			sets[set] = kept
		}
		return nil
	})
}

// within edits a member that is an object; one that is absent or null stays so.
func within(parent object, member string, edit func(object) error) error {
	raw, found := parent[member]
	if !found || string(raw) == "null" {
		return nil
	}
	var child object
	if err := json.Unmarshal(raw, &child); err != nil {
		return fmt.Errorf("%s: %w", member, err)
	}
	if err := edit(child); err != nil {
		return err
	}
	written, err := json.Marshal(child)
	if err != nil {
		return err
	}
	parent[member] = written
	return nil
}

func rewrite(path string, edit func(object) error) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var content object
	if err := json.Unmarshal(data, &content); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := edit(content); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if data, err = json.Marshal(content); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}

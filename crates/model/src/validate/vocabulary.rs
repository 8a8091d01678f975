//! The vocabularies of STIX 2.1, section 10: open ones suggest, closed ones decide.

/// A list of words with the name that the standard gives it.
#[derive(Debug)]
pub(super) struct Vocabulary {
    pub(super) name: &'static str,
    pub(super) words: &'static [&'static str],
}

macro_rules! vocabularies {
    ($($constant:ident $name:literal: $($word:literal)+;)+) => {
        $(pub(super) static $constant: Vocabulary = Vocabulary { name: $name, words: &[$($word),+] };)+

        /// Every vocabulary, for the tests.
        #[cfg(test)]
        pub(super) static ALL: &[&Vocabulary] = &[$(&$constant),+];
    };
}

vocabularies! {
    ACCOUNT_TYPE "account-type-ov": "facebook" "ldap" "nis" "openid" "radius" "skype" "tacacs" "twitter"
        "unix" "windows-local" "windows-domain" "kavi";
    ATTACK_MOTIVATION "attack-motivation-ov": "accidental" "coercion" "dominance" "ideology" "notoriety"
        "organizational-gain" "personal-gain" "personal-satisfaction" "revenge" "unpredictable";
    ATTACK_RESOURCE_LEVEL "attack-resource-level-ov": "individual" "club" "contest" "team" "organization"
        "government";
    ENCRYPTION_ALGORITHM "encryption-algorithm-enum": "AES-256-GCM" "ChaCha20-Poly1305" "mime-type-indicated";
    EXTENSION_TYPE "extension-type-enum": "new-sdo" "new-sco" "new-sro" "property-extension"
        "toplevel-property-extension";
    GROUPING_CONTEXT "grouping-context-ov": "suspicious-activity" "malware-analysis" "unspecified";
    HASH_ALGORITHM "hash-algorithm-ov": "MD5" "SHA-1" "SHA-256" "SHA-512" "SHA3-256" "SHA3-512" "SSDEEP" "TLSH";
    IDENTITY_CLASS "identity-class-ov": "individual" "group" "system" "organization" "class" "unspecified"
        "unknown";
    IMPLEMENTATION_LANGUAGE "implementation-language-ov": "applescript" "bash" "c" "c++" "c#" "go" "java"
        "javascript" "lua" "objective-c" "perl" "php" "powershell" "python" "ruby" "scala" "swift" "typescript"
        "visual-basic" "x86-32" "x86-64";
    INDICATOR_TYPE "indicator-type-ov": "anomalous-activity" "anonymization" "benign" "compromised"
        "malicious-activity" "attribution" "unknown";
    INDUSTRY_SECTOR "industry-sector-ov": "agriculture" "aerospace" "automotive" "chemical" "commercial"
        "communications" "construction" "defense" "education" "energy" "entertainment" "financial-services"
        "government" "emergency-services" "government-local" "government-national" "government-public-services"
        "government-regional" "healthcare" "hospitality-leisure" "infrastructure" "dams" "nuclear" "water"
        "insurance" "manufacturing" "mining" "non-profit" "pharmaceuticals" "retail" "technology"
        "telecommunications" "transportation" "utilities";
    INFRASTRUCTURE_TYPE "infrastructure-type-ov": "amplification" "anonymization" "botnet" "command-and-control"
        "control-system" "exfiltration" "firewall" "hosting-malware" "hosting-target-lists" "phishing"
        "reconnaissance" "routers-switches" "staging" "workstation" "unknown";
    MALWARE_CAPABILITIES "malware-capabilities-ov": "accesses-remote-machines" "anti-debugging"
        "anti-disassembly" "anti-emulation" "anti-memory-forensics" "anti-sandbox" "anti-vm"
        "captures-input-peripherals" "captures-output-peripherals" "captures-system-state-data"
        "cleans-traces-of-infection" "commits-fraud" "communicates-with-c2" "compromises-data-availability"
        "compromises-data-integrity" "compromises-system-availability" "controls-local-machine"
        "degrades-security-software" "degrades-system-updates" "determines-c2-server" "emails-spam"
        "escalates-privileges" "evades-av" "exfiltrates-data" "fingerprints-host" "hides-artifacts"
        "hides-executing-code" "infects-files" "infects-remote-machines" "installs-other-components"
        "persists-after-system-reboot" "prevents-artifact-access" "prevents-artifact-deletion"
        "probes-network-environment" "self-modifies" "steals-authentication-credentials"
        "violates-system-operational-integrity";
    MALWARE_RESULT "malware-result-ov": "malicious" "suspicious" "benign" "unknown";
    MALWARE_TYPE "malware-type-ov": "adware" "backdoor" "bot" "bootkit" "ddos" "downloader" "dropper"
        "exploit-kit" "keylogger" "ransomware" "remote-access-trojan" "resource-exploitation"
        "rogue-security-software" "rootkit" "screen-capture" "spyware" "trojan" "unknown" "virus" "webshell"
        "wiper" "worm";
    NETWORK_FAMILY "network-socket-address-family-enum": "AF_UNSPEC" "AF_INET" "AF_IPX" "AF_APPLETALK"
        "AF_NETBIOS" "AF_INET6" "AF_IRDA" "AF_BTH";
    SOCKET_TYPE "network-socket-type-enum": "SOCK_STREAM" "SOCK_DGRAM" "SOCK_RAW" "SOCK_RDM" "SOCK_SEQPACKET";
    OPINION "opinion-enum": "strongly-disagree" "disagree" "neutral" "agree" "strongly-agree";
    PATTERN_TYPE "pattern-type-ov": "stix" "pcre" "sigma" "snort" "suricata" "yara";
    PROCESSOR_ARCHITECTURE "processor-architecture-ov": "alpha" "arm" "ia-64" "mips" "powerpc" "sparc" "x86"
        "x86-64";
    REGION "region-ov": "africa" "eastern-africa" "middle-africa" "northern-africa" "southern-africa"
        "western-africa" "americas" "latin-america-caribbean" "caribbean" "central-america" "south-america"
        "northern-america" "asia" "central-asia" "eastern-asia" "southern-asia" "south-eastern-asia"
        "western-asia" "europe" "eastern-europe" "northern-europe" "southern-europe" "western-europe" "oceania"
        "antarctica" "australia-new-zealand" "melanesia" "micronesia" "polynesia";
    REGISTRY_TYPE "windows-registry-datatype-enum": "REG_NONE" "REG_SZ" "REG_EXPAND_SZ" "REG_BINARY" "REG_DWORD"
        "REG_DWORD_BIG_ENDIAN" "REG_DWORD_LITTLE_ENDIAN" "REG_LINK" "REG_MULTI_SZ" "REG_RESOURCE_LIST"
        "REG_FULL_RESOURCE_DESCRIPTION" "REG_RESOURCE_REQUIREMENTS_LIST" "REG_QWORD" "REG_INVALID_TYPE";
    REPORT_TYPE "report-type-ov": "attack-pattern" "campaign" "identity" "indicator" "intrusion-set" "malware"
        "observed-data" "threat-actor" "threat-report" "tool" "vulnerability";
    SERVICE_START "windows-service-start-type-enum": "SERVICE_AUTO_START" "SERVICE_BOOT_START"
        "SERVICE_DEMAND_START" "SERVICE_DISABLED" "SERVICE_SYSTEM_ALERT";
    SERVICE_STATUS "windows-service-status-enum": "SERVICE_CONTINUE_PENDING" "SERVICE_PAUSE_PENDING"
        "SERVICE_PAUSED" "SERVICE_RUNNING" "SERVICE_START_PENDING" "SERVICE_STOP_PENDING" "SERVICE_STOPPED";
    SERVICE_TYPE "windows-service-type-enum": "SERVICE_KERNEL_DRIVER" "SERVICE_FILE_SYSTEM_DRIVER"
        "SERVICE_WIN32_OWN_PROCESS" "SERVICE_WIN32_SHARE_PROCESS";
    THREAT_ACTOR_ROLE "threat-actor-role-ov": "agent" "director" "independent" "infrastructure-architect"
        "infrastructure-operator" "malware-author" "sponsor";
    THREAT_ACTOR_SOPHISTICATION "threat-actor-sophistication-ov": "none" "minimal" "intermediate" "advanced"
        "expert" "innovator" "strategic";
    THREAT_ACTOR_TYPE "threat-actor-type-ov": "activist" "competitor" "crime-syndicate" "criminal" "hacker"
        "insider-accidental" "insider-disgruntled" "nation-state" "sensationalist" "spy" "terrorist" "unknown";
    TOOL_TYPE "tool-type-ov": "denial-of-service" "exploitation" "information-gathering" "network-capture"
        "credential-exploitation" "remote-access" "vulnerability-scanning" "unknown";
    INTEGRITY_LEVEL "windows-integrity-level-enum": "low" "medium" "high" "system";
    PEBINARY_TYPE "windows-pebinary-type-ov": "dll" "exe" "sys";
}

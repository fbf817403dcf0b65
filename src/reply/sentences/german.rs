//! Deutsch. ★

use super::{Language, Links, LoginFailed, Needs, Own, Refused, Sentences, text};

pub(super) static SENTENCES: Sentences = Sentences {
    language: Language::German,
    comma: ", ",
    request: "Anfrage",
    next: "Wie es weitergeht",
    links: Links {
        sign_in: "Anmelden",
        sign_in_again: "Erneut anmelden",
        another_account: "Anderes Konto verwenden",
        sign_out: "Abmelden",
        sign_out_everywhere: "Überall abmelden",
        start_page: "Startseite",
        retry: "Erneut versuchen",
        go_on: "Weiter",
    },
    own: Own {
        signing_in: "Anmeldung läuft",
        signed_in: "Sie sind angemeldet",
        signed_out: text("Sie sind abgemeldet", "Hier besteht keine Sitzung mehr."),
        user: "Benutzer",
        roles: "Rollen",
        no_roles: "keine",
    },
    refused: Refused {
        login_required: text("Bitte melden Sie sich an", "Dafür müssen Sie angemeldet sein."),
        bearer: text("Das Token gilt nicht", "Das Bearer-Token dieser Anfrage ist hier nicht gültig."),
        nameless: text(
            "Das Token nennt niemanden",
            "Das Bearer-Token dieser Anfrage ist gültig, nennt aber nicht in der Form, die dieser Dienst braucht, für wen es spricht.",
        ),
        stronger: "Bitte melden Sie sich erneut an",
        role_missing: "Sie haben hier keinen Zugriff",
        method_not_named: text(
            "Diese Methode ist hier nicht erlaubt",
            "Keine Regel für diesen Pfad nennt die Methode Ihrer Anfrage.",
        ),
        address: text(
            "Von hier aus haben Sie keinen Zugriff",
            "Dieser Pfad ist für Ihre Netzwerkadresse nicht freigegeben.",
        ),
        client_certificate: text(
            "Ein Client-Zertifikat ist erforderlich",
            "Zugriff hat nur, wer beim Verbinden ein Zertifikat vorlegt, und Ihr Browser oder Programm hat keines vorgelegt, das hier gilt.",
        ),
        origin: text(
            "Verbindung abgelehnt",
            "Eine Seite einer anderen Website wollte mit Ihrer Sitzung eine Verbindung öffnen.",
        ),
        unwritable: text(
            "Ihr Konto kann nicht weitergegeben werden",
            "Etwas in Ihrem Konto lässt sich nicht als Kopfzeile schreiben. Was es ist, sieht die Administration im Protokoll.",
        ),
        outage: text(
            "Bitte versuchen Sie es gleich noch einmal",
            "Ihre Anfrage muss mit dem Anmeldedienst geprüft werden, und dieser ist nicht erreichbar.",
        ),
        store_outage: text(
            "Bitte versuchen Sie es gleich noch einmal",
            "Der Speicher mit den Sitzungen ist nicht erreichbar. Niemand wurde abgemeldet.",
        ),
        tokens_not_kept: text(
            "Ihr Browser hat die Anmeldung nicht vollständig gesendet",
            "Sie sind angemeldet, aber das Cookie, das diese Seite zusätzlich braucht, wurde nicht behalten. Vielleicht ist es blockiert oder zu groß für einen Proxy auf dem Weg.",
        ),
        session_too_large: text(
            "Über Ihr Konto gibt es zu viele Angaben",
            "Sie sind angemeldet, aber was der Anmeldedienst jetzt über Ihr Konto angibt, passt nicht mehr in die Cookies Ihres Browsers. Sobald es weniger ist, melden Sie sich ab und wieder an.",
        ),
        no_entropy: text(
            "Hier stimmt etwas nicht",
            "Das System liefert keine Zufallszahlen, deshalb kann sich niemand anmelden.",
        ),
        not_found: text(
            "Diese Seite gibt es nicht",
            "Die Adresse liegt im eigenen Bereich des Gateways, und dort ist nichts.",
        ),
        outside: text("Hier ist nichts", "Unter dieser Adresse bietet die Anwendung nichts an."),
        method: text(
            "Diese Methode ist hier nicht erlaubt",
            "Diese Adresse beantwortet keine Anfragen dieser Art.",
        ),
        misdirected: text("Falsche Adresse", "Dieser Dienst ist unter einem anderen Hostnamen erreichbar."),
        cleartext: text(
            "Diese Adresse ist nicht verschlüsselt",
            "Was hierhin gesendet wurde, konnte unterwegs mitgelesen werden und wurde nicht weitergegeben. Die richtige Adresse beginnt mit https://.",
        ),
        target_too_long: text(
            "Die Adresse ist zu lang",
            "Die Adresse dieser Anfrage ist länger, als dieser Dienst annimmt.",
        ),
        head_too_large: text(
            "Ihr Browser hat zu viel gesendet",
            "Die Kopfzeilen der Anfrage, Cookies eingeschlossen, sind größer, als dieser Dienst annimmt. Die Cookies des Gateways wurden gelöscht.",
        ),
        expectation: text(
            "Erwartung nicht erfüllt",
            "Die Anfrage erwartet etwas, das dieser Dienst nicht kann.",
        ),
        ambiguous: text(
            "Diese Anfrage ist nicht eindeutig",
            "Server könnten diese Adresse oder Anfrage unterschiedlich lesen, deshalb wurde sie abgelehnt.",
        ),
        body_too_large: text(
            "Sie haben zu viel gesendet",
            "Der Inhalt der Anfrage ist größer, als dieser Dienst annimmt.",
        ),
        body_slow: text(
            "Ihre Anfrage kam zu langsam",
            "Die Übertragung des Inhalts blieb vor dem Ende stehen.",
        ),
        body_broke_off: text("Ihre Anfrage ist abgebrochen", "Der Inhalt der Anfrage endete zu früh."),
        upstream: text(
            "Die Anwendung ist nicht erreichbar",
            "Das Gateway hat Ihre Anfrage durchgelassen, aber die Anwendung dahinter hat keine brauchbare Antwort gegeben.",
        ),
        upstream_slow: text("Die Anwendung ist zu langsam", "Sie hat nicht rechtzeitig geantwortet."),
        upstream_busy: text(
            "Die Anwendung ist ausgelastet",
            "Sie hat so viele Anfragen zu beantworten, wie sie annehmen kann. Versuchen Sie es in ein paar Sekunden noch einmal.",
        ),
        crowded: text(
            "Zu viele Anfragen auf einmal",
            "Von Ihrer Netzwerkadresse werden schon so viele Anfragen beantwortet wie zulässig. Versuchen Sie es in ein paar Sekunden noch einmal.",
        ),
    },
    login: LoginFailed {
        bad_link: text(
            "Dieser Link zur Anmeldung funktioniert nicht",
            "Er ist unvollständig oder verlangt etwas, das hier nicht angeboten wird.",
        ),
        bad_return: text(
            "Die Anmeldung konnte nicht abgeschlossen werden",
            "Der Anmeldedienst hat Ihren Browser mit einer fehlerhaften Adresse zurückgeschickt.",
        ),
        cookies_off: text(
            "Ihr Browser hat das Cookie der Anmeldung nicht gesendet",
            "Die Anmeldung braucht Cookies für diese Website. Lassen Sie sie zu und melden Sie sich dann an.",
        ),
        denied: text("Die Anmeldung wurde abgelehnt", "Der Anmeldedienst hat Sie nicht zugelassen."),
        pool_said: text(
            "Die Anmeldung hat nicht funktioniert",
            "Der Anmeldedienst hat einen Fehler gemeldet.",
        ),
        pool_answer: text(
            "Die Anmeldung hat nicht funktioniert",
            "Der Anmeldedienst hat eine Antwort gegeben, der nicht zu trauen ist. Den Grund sieht die Administration im Protokoll.",
        ),
        pool_unreachable: text(
            "Die Anmeldung ist zurzeit nicht möglich",
            "Der Anmeldedienst ist nicht erreichbar. Wer schon angemeldet ist, bleibt es.",
        ),
        too_large: text(
            "Über Ihr Konto gibt es zu viele Angaben",
            "Was der Anmeldedienst über Ihr Konto angibt, passt nicht in die Cookies Ihres Browsers.",
        ),
        email_not_verified: text(
            "Ihr Konto kann hier nicht verwendet werden",
            "Ihre E-Mail-Adresse ist beim Anmeldedienst nicht bestätigt. Bestätigen Sie sie dort und melden Sie sich dann an.",
        ),
        claim_unwritable: text(
            "Ihr Konto kann hier nicht verwendet werden",
            "Der Anmeldedienst gibt über Ihr Konto etwas an, das dieser Dienst nicht weitergeben kann. Der Betreiber findet es im Protokoll unter der Nummer, die unten steht.",
        ),
        called_as_client: text(
            "Ihr Konto kann hier nicht verwendet werden",
            "Ihr Benutzername ist der eines Programms, sodass niemand Sie und das Programm unterscheiden könnte.",
        ),
        no_identity: text(
            "Ihr Konto kann hier nicht verwendet werden",
            "Der Anmeldedienst hat nicht in der Form, die dieser Dienst braucht, angegeben, wer Sie sind. Der Betreiber findet den Grund im Protokoll unter der Nummer, die unten steht.",
        ),
        not_strong_enough: text(
            "Hierfür ist eine stärkere Anmeldung nötig",
            "Der Anmeldedienst hat nicht bestätigt, dass Sie sich so angemeldet haben.",
        ),
        too_many: "Zu viele Anmeldungen",
        too_many_for: |seconds| {
            format!(
                "Von Ihrer Netzwerkadresse kamen innerhalb einer Minute so viele Anmeldungen, dass diese warten muss. Versuchen Sie es in {seconds} s noch einmal."
            )
        },
    },
    needs: Needs {
        signed_in_as: |user| format!("Sie sind als {user} angemeldet."),
        role: |role| format!("Diese Seite erfordert die Rolle {role}."),
        one_of_roles: |roles| format!("Diese Seite erfordert eine der Rollen {roles}."),
        all_roles: |roles| format!("Diese Seite erfordert jede dieser Rollen: {roles}."),
        scope: |scope| format!("Diese Seite erfordert den Scope {scope}."),
        one_of_scopes: |scopes| format!("Diese Seite erfordert einen der Scopes {scopes}."),
        certain_people: "Diese Seite ist bestimmten Personen vorbehalten.",
        email_domain: |domain| {
            format!("Diese Seite erfordert eine bestätigte E-Mail-Adresse der Domain {domain}.")
        },
        one_of_email_domains: |domains| {
            format!("Diese Seite erfordert eine bestätigte E-Mail-Adresse einer der Domains {domains}.")
        },
        class: |class| format!("Diese Seite erfordert eine Anmeldung der Klasse {class} oder eine stärkere."),
        recent: |minutes| match minutes {
            1 => "Diese Seite erfordert eine Anmeldung innerhalb der letzten Minute.".into(),
            _ => format!("Diese Seite erfordert eine Anmeldung innerhalb der letzten {minutes} Minuten."),
        },
    },
};

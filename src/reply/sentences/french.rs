//! Français. ★

use super::{Language, Links, LoginFailed, Needs, Own, Refused, Sentences, text};

pub(super) static SENTENCES: Sentences = Sentences {
    language: Language::French,
    comma: ", ",
    request: "requête",
    next: "Que faire maintenant",
    links: Links {
        sign_in: "Se connecter",
        sign_in_again: "Se reconnecter",
        another_account: "Utiliser un autre compte",
        sign_out: "Se déconnecter",
        sign_out_everywhere: "Se déconnecter partout",
        start_page: "Page d’accueil",
        retry: "Réessayer",
        go_on: "Continuer",
    },
    own: Own {
        signing_in: "Connexion en cours",
        signed_in: "Vous êtes connecté",
        signed_out: text("Vous êtes déconnecté", "Il n’y a plus de session ici."),
        user: "Utilisateur",
        roles: "Rôles",
        no_roles: "aucun",
    },
    refused: Refused {
        login_required: text("Veuillez vous connecter", "Cette page n’est accessible qu’une fois connecté."),
        bearer: text("Le jeton n’est pas accepté", "Le jeton Bearer de cette requête n’est pas valable ici."),
        nameless: text(
            "Le jeton ne désigne personne",
            "Le jeton Bearer de cette requête est valable, mais il n’indique pas au nom de qui il parle sous la forme dont ce service a besoin.",
        ),
        stronger: "Veuillez vous reconnecter",
        role_missing: "Vous n’avez pas accès à cette page",
        method_not_named: text(
            "Cette méthode n’est pas autorisée ici",
            "Aucune règle pour ce chemin ne mentionne la méthode de votre requête.",
        ),
        address: text(
            "Vous n’avez pas accès depuis cet endroit",
            "Ce chemin n’est pas ouvert à votre adresse réseau.",
        ),
        client_certificate: text(
            "Un certificat client est nécessaire",
            "L’accès est réservé à ceux qui présentent un certificat lors de la connexion, et votre navigateur ou programme n’en a présenté aucun qui soit accepté.",
        ),
        origin: text(
            "Connexion refusée",
            "Une page d’un autre site a tenté d’ouvrir une connexion avec votre session.",
        ),
        unwritable: text(
            "Votre compte ne peut pas être transmis",
            "Un élément de votre compte ne peut pas être écrit dans un en-tête. L’administrateur verra lequel dans le journal.",
        ),
        outage: text(
            "Veuillez réessayer dans un instant",
            "Votre requête doit être vérifiée auprès du service de connexion, et celui-ci est injoignable.",
        ),
        store_outage: text(
            "Veuillez réessayer dans un instant",
            "L’endroit où sont conservées les sessions est injoignable. Personne n’a été déconnecté.",
        ),
        tokens_not_kept: text(
            "Votre navigateur n’a pas envoyé toute la connexion",
            "Vous êtes connecté, mais le cookie dont cette page a besoin en plus n’a pas été conservé. Il est peut-être bloqué, ou trop grand pour un proxy intermédiaire.",
        ),
        session_too_large: text(
            "Votre compte comporte trop d’informations",
            "Vous êtes connecté, mais ce que le service de connexion indique désormais sur votre compte ne tient plus dans les cookies de votre navigateur. Quand il y en aura moins, déconnectez-vous puis reconnectez-vous.",
        ),
        no_entropy: text(
            "Il y a un problème ici",
            "Le système ne fournit plus de nombres aléatoires, et personne ne peut donc se connecter.",
        ),
        not_found: text(
            "Cette page n’existe pas",
            "L’adresse se trouve dans la partie réservée à la passerelle, et il n’y a rien à cet endroit.",
        ),
        outside: text("Il n’y a rien ici", "L’application ne propose rien à cette adresse."),
        method: text(
            "Cette méthode n’est pas autorisée ici",
            "Cette adresse ne répond pas à ce type de requête.",
        ),
        misdirected: text("Mauvaise adresse", "Ce service est accessible sous un autre nom d’hôte."),
        cleartext: text(
            "Cette adresse n’est pas chiffrée",
            "Ce qui a été envoyé ici a pu être lu en chemin et n’a pas été transmis. La bonne adresse commence par https://.",
        ),
        target_too_long: text(
            "L’adresse est trop longue",
            "L’adresse de cette requête est plus longue que ce que ce service accepte.",
        ),
        head_too_large: text(
            "Votre navigateur a envoyé trop de données",
            "Les en-têtes de la requête, cookies compris, sont plus grands que ce que ce service accepte. Les cookies de la passerelle ont été effacés.",
        ),
        expectation: text(
            "Attente non satisfaite",
            "La requête attend quelque chose que ce service ne fait pas.",
        ),
        ambiguous: text(
            "Cette requête n’a pas un sens unique",
            "Des serveurs pourraient lire cette adresse ou cette requête de différentes manières\u{a0}; elle a donc été refusée.",
        ),
        body_too_large: text(
            "Vous avez envoyé trop de données",
            "Le contenu de la requête est plus grand que ce que ce service accepte.",
        ),
        body_slow: text(
            "Votre requête est arrivée trop lentement",
            "Le transfert de son contenu s’est arrêté avant la fin.",
        ),
        body_broke_off: text("Votre requête a été interrompue", "Son contenu s’est terminé trop tôt."),
        upstream: text(
            "L’application est injoignable",
            "La passerelle vous a laissé passer, mais l’application derrière elle n’a pas donné de réponse utilisable.",
        ),
        upstream_slow: text("L’application est trop lente", "Elle n’a pas répondu à temps."),
        upstream_busy: text(
            "L’application est occupée",
            "Elle traite déjà autant de requêtes qu’elle peut en accepter. Réessayez dans quelques secondes.",
        ),
        crowded: text(
            "Trop de requêtes à la fois",
            "Le nombre maximal de requêtes simultanées depuis votre adresse réseau est atteint. Réessayez dans quelques secondes.",
        ),
    },
    login: LoginFailed {
        bad_link: text(
            "Ce lien de connexion ne fonctionne pas",
            "Il est incomplet, ou demande quelque chose qui n’est pas proposé ici.",
        ),
        bad_return: text(
            "La connexion n’a pas pu être terminée",
            "Le service de connexion a renvoyé votre navigateur avec une adresse incorrecte.",
        ),
        cookies_off: text(
            "Votre navigateur n’a pas envoyé le cookie de connexion",
            "La connexion nécessite les cookies de ce site. Autorisez-les, puis connectez-vous.",
        ),
        denied: text("La connexion a été refusée", "Le service de connexion ne vous a pas laissé entrer."),
        pool_said: text("La connexion a échoué", "Le service de connexion a signalé une erreur."),
        pool_answer: text(
            "La connexion a échoué",
            "Le service de connexion a donné une réponse à laquelle on ne peut pas se fier. L’administrateur verra pourquoi dans le journal.",
        ),
        pool_unreachable: text(
            "La connexion est impossible pour le moment",
            "Le service de connexion est injoignable. Ceux qui sont déjà connectés le restent.",
        ),
        too_large: text(
            "Votre compte comporte trop d’informations",
            "Ce que le service de connexion indique sur votre compte ne tient pas dans les cookies de votre navigateur.",
        ),
        email_not_verified: text(
            "Votre compte ne peut pas être utilisé ici",
            "Votre adresse e-mail n’est pas vérifiée auprès du service de connexion. Faites-la vérifier, puis connectez-vous.",
        ),
        claim_unwritable: text(
            "Votre compte ne peut pas être utilisé ici",
            "Le service de connexion indique sur votre compte quelque chose que ce service ne peut pas transmettre. L’exploitant le trouvera dans le journal sous le numéro ci-dessous.",
        ),
        called_as_client: text(
            "Votre compte ne peut pas être utilisé ici",
            "Votre nom d’utilisateur est celui d’un programme, et personne ne pourrait vous distinguer l’un de l’autre.",
        ),
        no_identity: text(
            "Votre compte ne peut pas être utilisé ici",
            "Le service de connexion n’a pas indiqué qui vous êtes sous la forme dont ce service a besoin. L’exploitant trouvera la raison dans le journal sous le numéro ci-dessous.",
        ),
        not_strong_enough: text(
            "Une connexion plus forte est nécessaire",
            "Le service de connexion n’a pas confirmé que vous vous êtes connecté ainsi.",
        ),
        too_many: "Trop de connexions",
        too_many_for: |seconds| {
            format!(
                "Il y a eu tant de connexions depuis votre adresse réseau en une minute que celle-ci doit attendre. Réessayez dans {seconds} s."
            )
        },
    },
    needs: Needs {
        signed_in_as: |user| format!("Vous êtes connecté en tant que {user}."),
        role: |role| format!("Cette page nécessite le rôle {role}."),
        one_of_roles: |roles| format!("Cette page nécessite l’un des rôles {roles}."),
        all_roles: |roles| format!("Cette page nécessite tous les rôles suivants\u{a0}: {roles}."),
        scope: |scope| format!("Cette page nécessite la portée {scope}."),
        one_of_scopes: |scopes| format!("Cette page nécessite l’une des portées {scopes}."),
        certain_people: "Cette page est réservée à certaines personnes.",
        email_domain: |domain| {
            format!("Cette page nécessite une adresse e-mail vérifiée du domaine {domain}.")
        },
        one_of_email_domains: |domains| {
            format!("Cette page nécessite une adresse e-mail vérifiée de l’un des domaines {domains}.")
        },
        class: |class| format!("Cette page nécessite une connexion de la classe {class} ou plus forte."),
        recent: |minutes| match minutes {
            1 => "Cette page nécessite une connexion datant de moins d’une minute.".into(),
            _ => format!("Cette page nécessite une connexion datant de moins de {minutes} minutes."),
        },
    },
};

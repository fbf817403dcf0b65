//! Español. ★

use super::{Language, Links, LoginFailed, Needs, Own, Refused, Sentences, text};

pub(super) static SENTENCES: Sentences = Sentences {
    language: Language::Spanish,
    comma: ", ",
    request: "solicitud",
    next: "Qué hacer ahora",
    links: Links {
        sign_in: "Iniciar sesión",
        sign_in_again: "Volver a iniciar sesión",
        another_account: "Usar otra cuenta",
        sign_out: "Cerrar sesión",
        sign_out_everywhere: "Cerrar sesión en todas partes",
        start_page: "Página de inicio",
        retry: "Reintentar",
        go_on: "Continuar",
    },
    own: Own {
        signing_in: "Iniciando sesión",
        signed_in: "Ha iniciado sesión",
        signed_out: text("Ha cerrado la sesión", "Aquí ya no hay ninguna sesión abierta."),
        user: "Usuario",
        roles: "Roles",
        no_roles: "ninguno",
    },
    refused: Refused {
        login_required: text("Inicie sesión", "Para esto debe haber iniciado sesión."),
        bearer: text("El token no se acepta", "El token Bearer de esta solicitud no es válido aquí."),
        nameless: text(
            "El token no nombra a nadie",
            "El token Bearer de esta solicitud es válido, pero no dice en nombre de quién habla en la forma que este servicio necesita.",
        ),
        stronger: "Vuelva a iniciar sesión",
        role_missing: "No tiene acceso a esta página",
        method_not_named: text(
            "Este método no está permitido aquí",
            "Ninguna regla para esta ruta menciona el método de su solicitud.",
        ),
        address: text("No tiene acceso desde este lugar", "Esta ruta no está abierta a su dirección de red."),
        client_certificate: text(
            "Se necesita un certificado de cliente",
            "Solo tiene acceso quien presenta un certificado al conectarse, y su navegador o programa no presentó ninguno que se acepte.",
        ),
        origin: text(
            "Conexión rechazada",
            "Una página de otro sitio intentó abrir una conexión con su sesión.",
        ),
        unwritable: text(
            "Su cuenta no se puede transmitir",
            "Hay algo en su cuenta que no se puede escribir en una cabecera. El administrador puede ver qué es en el registro.",
        ),
        outage: text(
            "Vuelva a intentarlo en un momento",
            "Su solicitud debe comprobarse con el servicio de inicio de sesión, y no se puede acceder a él.",
        ),
        store_outage: text(
            "Vuelva a intentarlo en un momento",
            "No se puede acceder al lugar donde se guardan las sesiones. No se ha cerrado la sesión de nadie.",
        ),
        tokens_not_kept: text(
            "Su navegador no envió todos los datos de la sesión",
            "Ha iniciado sesión, pero no se conservó la cookie que esta página necesita además. Quizá esté bloqueada o sea demasiado grande para un proxy intermedio.",
        ),
        session_too_large: text(
            "Su cuenta contiene demasiados datos",
            "Ha iniciado sesión, pero lo que el servicio de inicio de sesión indica ahora sobre su cuenta ya no cabe en las cookies de su navegador. Cuando haya menos datos, cierre la sesión y vuelva a iniciarla.",
        ),
        no_entropy: text(
            "Algo no funciona aquí",
            "El sistema no proporciona números aleatorios, así que nadie puede iniciar sesión.",
        ),
        not_found: text(
            "Esta página no existe",
            "La dirección pertenece a la zona propia de la puerta de enlace, y ahí no hay nada.",
        ),
        outside: text("Aquí no hay nada", "La aplicación no ofrece nada en esta dirección."),
        method: text(
            "Este método no está permitido aquí",
            "Esta dirección no responde a este tipo de solicitud.",
        ),
        misdirected: text("Dirección incorrecta", "Este servicio se encuentra bajo otro nombre de host."),
        cleartext: text(
            "Esta dirección no está cifrada",
            "Lo que se envió aquí pudo leerse por el camino y no se ha transmitido. La dirección correcta empieza por https://.",
        ),
        target_too_long: text(
            "La dirección es demasiado larga",
            "La dirección de esta solicitud es más larga de lo que este servicio acepta.",
        ),
        head_too_large: text(
            "Su navegador envió demasiados datos",
            "Las cabeceras de la solicitud, cookies incluidas, son más grandes de lo que este servicio acepta. Se han borrado las cookies de la puerta de enlace.",
        ),
        expectation: text("No se cumple lo esperado", "La solicitud espera algo que este servicio no hace."),
        ambiguous: text(
            "Esta solicitud no tiene un significado único",
            "Los servidores podrían leer esta dirección o solicitud de distintas maneras, por lo que se ha rechazado.",
        ),
        body_too_large: text(
            "Ha enviado demasiados datos",
            "El contenido de la solicitud es más grande de lo que este servicio acepta.",
        ),
        body_slow: text(
            "Su solicitud llegó demasiado despacio",
            "La transmisión de su contenido se detuvo antes del final.",
        ),
        body_broke_off: text("Su solicitud se interrumpió", "Su contenido terminó antes de lo debido."),
        upstream: text(
            "No se puede acceder a la aplicación",
            "La puerta de enlace le ha dejado pasar, pero la aplicación que hay detrás no dio una respuesta utilizable.",
        ),
        upstream_slow: text("La aplicación es demasiado lenta", "No respondió a tiempo."),
        upstream_busy: text(
            "La aplicación está ocupada",
            "Ya atiende tantas solicitudes como puede aceptar. Vuelva a intentarlo en unos segundos.",
        ),
        crowded: text(
            "Demasiadas solicitudes a la vez",
            "Desde su dirección de red ya se atienden tantas solicitudes como se permiten. Vuelva a intentarlo en unos segundos.",
        ),
    },
    login: LoginFailed {
        bad_link: text(
            "Este enlace para iniciar sesión no funciona",
            "Está incompleto o pide algo que aquí no se ofrece.",
        ),
        bad_return: text(
            "No se pudo completar el inicio de sesión",
            "El servicio de inicio de sesión devolvió su navegador con una dirección incorrecta.",
        ),
        cookies_off: text(
            "Su navegador no envió la cookie de inicio de sesión",
            "Para iniciar sesión se necesitan las cookies de este sitio. Permítalas y después inicie sesión.",
        ),
        denied: text(
            "Se rechazó el inicio de sesión",
            "El servicio de inicio de sesión no le permitió entrar.",
        ),
        pool_said: text(
            "El inicio de sesión no funcionó",
            "El servicio de inicio de sesión comunicó un error.",
        ),
        pool_answer: text(
            "El inicio de sesión no funcionó",
            "El servicio de inicio de sesión dio una respuesta en la que no se puede confiar. El administrador puede ver el motivo en el registro.",
        ),
        pool_unreachable: text(
            "Ahora no es posible iniciar sesión",
            "No se puede acceder al servicio de inicio de sesión. Quien ya había iniciado sesión la conserva.",
        ),
        too_large: text(
            "Su cuenta contiene demasiados datos",
            "Lo que el servicio de inicio de sesión indica sobre su cuenta no cabe en las cookies de su navegador.",
        ),
        email_not_verified: text(
            "Su cuenta no se puede usar aquí",
            "Su dirección de correo electrónico no está verificada en el servicio de inicio de sesión. Verifíquela allí y después inicie sesión.",
        ),
        claim_unwritable: text(
            "Su cuenta no se puede usar aquí",
            "El servicio de inicio de sesión indica sobre su cuenta algo que este servicio no puede transmitir. Su operador lo encontrará en el registro con el número que aparece abajo.",
        ),
        called_as_client: text(
            "Su cuenta no se puede usar aquí",
            "Su nombre de usuario es el de un programa, por lo que nadie podría distinguirlos.",
        ),
        no_identity: text(
            "Su cuenta no se puede usar aquí",
            "El servicio de inicio de sesión no indicó quién es usted en la forma que este servicio necesita. Su operador encontrará el motivo en el registro con el número que aparece abajo.",
        ),
        not_strong_enough: text(
            "Se necesita un inicio de sesión más seguro",
            "El servicio de inicio de sesión no confirmó que usted lo haya hecho así.",
        ),
        too_many: "Demasiados inicios de sesión",
        too_many_for: |seconds| {
            format!(
                "Desde su dirección de red hubo tantos inicios de sesión en un minuto que este debe esperar. Vuelva a intentarlo en {seconds} s."
            )
        },
    },
    needs: Needs {
        signed_in_as: |user| format!("Ha iniciado sesión como {user}."),
        role: |role| format!("Esta página requiere el rol {role}."),
        one_of_roles: |roles| format!("Esta página requiere uno de los roles {roles}."),
        all_roles: |roles| format!("Esta página requiere todos los roles siguientes: {roles}."),
        scope: |scope| format!("Esta página requiere el ámbito {scope}."),
        one_of_scopes: |scopes| format!("Esta página requiere uno de los ámbitos {scopes}."),
        certain_people: "Esta página es solo para determinadas personas.",
        email_domain: |domain| {
            format!("Esta página requiere una dirección de correo electrónico verificada de {domain}.")
        },
        one_of_email_domains: |domains| {
            format!(
                "Esta página requiere una dirección de correo electrónico verificada de uno de los dominios {domains}."
            )
        },
        class: |class| format!("Esta página requiere un inicio de sesión de clase {class} o superior."),
        recent: |minutes| match minutes {
            1 => "Esta página requiere haber iniciado sesión en el último minuto.".into(),
            _ => format!("Esta página requiere haber iniciado sesión en los últimos {minutes} minutos."),
        },
    },
};

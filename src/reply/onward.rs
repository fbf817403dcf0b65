//! The page that stands for a redirect where the browser's `#fragment` has to survive it. ★
//!
//! No server ever sees a fragment, so the browser has to keep it: in its session storage, which belongs to one tab
//! and one origin, under the login's `state`. Threats: a script with text from outside in it, and a fragment that
//! leads elsewhere. The script is one constant, allowed by its hash; the address stands in a link, escaped, and is
//! the server's; of what was kept, the fragment of that address is set and nothing else (URL §4.4, `hash`).
//! Without scripts the page goes on just so, and the fragment is lost.

use super::page::{escape, footer, head};
use super::sentences::Sentences;

/// What becomes of the fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carry {
    /// Away to the pool: the fragment of this page is kept.
    Keep,
    /// Back from the pool: what was kept becomes the fragment of where the browser goes.
    PutBack,
}

/// The whole document.
pub(super) fn document(to: &str, carry: Carry, key: &str, request_id: &str, say: &Sentences) -> String {
    let (to, key) = (escape(to), escape(key));
    let (word, title) = match carry {
        Carry::Keep => ("keep", say.own.signing_in),
        Carry::PutBack => ("back", say.own.signed_in),
    };
    let (title, next, go_on) = (escape(title), escape(say.next), escape(say.links.go_on));
    let (head, footer) = (head(&title, say), footer(request_id, say));
    format!(
        "{head}<noscript><meta http-equiv=\"refresh\" content=\"0;url={to}\"></noscript>\n</head>\n<body>\n<main>\n\
         <h1>{title}</h1>\n<nav aria-label=\"{next}\">\n\
         <a class=\"first\" id=\"on\" data-{word}=\"{key}\" href=\"{to}\">{go_on}</a>\n</nav>\n</main>\n\
         {footer}<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )
}

/// Allowed by its hash in the Content-Security-Policy. A tab keeps one fragment: an older one is that of a login
/// that was given up. Storage may be forbidden, and then the login goes on without.
pub(super) const SCRIPT: &str = "\
const on=document.getElementById('on'),{keep,back}=on.dataset,mark='rolegate-fragment-';\
try{\
if(keep){\
for(const name of Object.keys(sessionStorage))if(name.startsWith(mark))sessionStorage.removeItem(name);\
if(location.hash)sessionStorage.setItem(mark+keep,location.hash)\
}else{\
const kept=sessionStorage.getItem(mark+back);\
sessionStorage.removeItem(mark+back);\
if(kept)on.hash=kept\
}\
}catch{}\
location.replace(on.href)";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Language;

    #[test]
    fn the_address_and_the_key_are_escaped_and_never_in_the_script() {
        let say = Sentences::of(Language::German);
        let html = document("https://a/\"><script>1</script>&x", Carry::Keep, "\"'><", "<", say);
        assert_eq!(html.matches("<script").count(), 1, "{html}");
        assert!(html.contains("href=\"https://a/&quot;&gt;&lt;script&gt;1&lt;/script&gt;&amp;x\""), "{html}");
        assert!(html.contains("data-keep=\"&quot;&#39;&gt;&lt;\""), "{html}");
        assert!(html.contains(&format!("<script>{SCRIPT}</script>")));
        assert!(document("/", Carry::PutBack, "s1", "", say).contains("data-back=\"s1\""));
    }
}

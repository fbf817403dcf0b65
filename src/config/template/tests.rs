//! Templates as operators write them, well and badly.

use super::*;

fn compile(files: &[(&str, &str)]) -> (Option<Templates>, Vec<Fault>) {
    let files: Vec<_> = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    Templates::compile(&files)
}

fn compiled(files: &[(&str, &str)]) -> Templates {
    match compile(files) {
        (Some(templates), faults) if faults.is_empty() => templates,
        (_, faults) => panic!("{faults:#?}"),
    }
}

fn values() -> Values<'static> {
    Values { title: "<script>alert(1)</script>\"'&".into(), user: "o'hara".into(), ..Values::default() }
}

fn shown(templates: &Templates, page: PageName) -> String {
    templates.render(page, &values()).unwrap().unwrap()
}

/// File, line and the beginning of the message of the one fault that there is.
fn one_fault(files: &[(&str, &str)]) -> (String, Option<usize>, String) {
    let (templates, mut faults) = compile(files);
    assert_eq!(faults.len(), 1, "{faults:#?}");
    let fault = faults.remove(0);
    assert_eq!(templates.is_some(), fault.harmless);
    (fault.file, fault.line, fault.message)
}

#[test]
fn text_from_outside_is_escaped_whatever_the_template_says() {
    for text in [
        "{{ title }}",
        "<a title=\"{{ title }}\">",
        "{{ title|upper|lower }}",
        "{{ [title]|join('<br>') }}",
        "{% set x %}{{ title }}{% endset %}{{ x }}",
        "{{ title|escape }}",
        "{{ title|replace('&', '&') }}",
        "{{ '<i>' ~ title }}",
        "{% filter upper %}{{ title }}{% endfilter %}",
    ] {
        let html = shown(&compiled(&[("error.html", text)]), PageName::Error);
        assert!(!html.to_lowercase().contains("<script"), "{text}: {html}");
        assert!(html.to_lowercase().contains("&lt;script"), "{text}: {html}");
    }
}

#[test]
fn what_would_switch_escaping_off_is_refused() {
    for text in [
        "{{ title|safe }}",
        "{{ title | safe }}",
        "{{- title|upper|safe -}}",
        "{% if false %}{{ title|safe }}{% endif %}",
        "{% filter safe %}{{ title }}{% endfilter %}",
        "{% autoescape false %}{{ title }}{% endautoescape %}",
        "{%- autoescape 'none' %}{{ title }}{% endautoescape %}",
    ] {
        let (templates, faults) = compile(&[("error.html", &format!("\n{text}"))]);
        assert!(templates.is_none(), "{text}");
        assert_eq!((faults[0].file.as_str(), faults[0].line), ("error.html", Some(2)), "{text}");
        assert!(faults[0].message.contains("as markup"), "{faults:?}");
    }
    // Words that only begin so are none of it.
    compiled(&[("error.html", "{{ title|default('safe') }} {# autoescape |safe #} autoescape|safe")]);
}

#[test]
fn the_formatter_alone_escapes_what_the_scan_did_not_see() {
    let mut engine = engine();
    let text =
        "{% autoescape false %}{{ title }}{% set x %}{{ title }}{% endset %}{{ x }}{% endautoescape %}";
    engine.add_template_owned("x".to_owned(), text.to_owned()).unwrap();
    let html = engine.get_template("x").unwrap().render(Serde(values())).unwrap();
    assert!(!html.contains("<script"), "{html}");
    engine.add_template_owned("y".to_owned(), "{{ title|safe }}".to_owned()).unwrap();
    let error = engine.get_template("y").unwrap().render(Serde(values())).unwrap_err();
    assert!(error.to_string().contains("unknown filter"), "{error}");
}

#[test]
fn a_page_of_its_own_wins_over_the_page_for_all_and_none_is_none() {
    let templates = compiled(&[("forbidden.html", "mine"), ("page.html", "any {{ page }}")]);
    assert_eq!(shown(&templates, PageName::Forbidden), "mine");
    assert_eq!(shown(&templates, PageName::UserInfo), "any ");
    let templates = compiled(&[("forbidden.html", "mine")]);
    assert!(templates.render(PageName::UserInfo, &values()).is_none());
}

#[test]
fn pages_are_made_of_parts_of_the_same_folder_and_of_nothing_else() {
    let layout = "<style>p{margin:0}</style>{% block body %}{% endblock %}";
    let page =
        "{% extends '_layout.html' %}{% block body %}<p>{{ user }}{% include '_foot.html' %}{% endblock %}";
    let parts = [("_layout.html", layout), ("_foot.html", "!"), ("userinfo.html", page)];
    let templates = compiled(&parts);
    assert_eq!(shown(&templates, PageName::UserInfo), "<style>p{margin:0}</style><p>o&#x27;hara!");
    for other in ["_nothing.html", "/etc/hostname", "../rolegate.toml"] {
        let text = format!("\n{{% include '{other}' %}}");
        let (file, line, message) = one_fault(&[("error.html", &text)]);
        assert_eq!((file.as_str(), line), ("error.html", Some(2)));
        assert!(message.contains("template not found"), "{message}");
    }
}

#[test]
fn a_broken_template_is_named_with_its_line() {
    for (text, line, said) in [
        ("a\n{{ title", 2, "syntax error"),
        ("a\nb\n{% if %}", 3, "syntax error"),
        ("a\n{{ titel }}", 2, "undefined value"),
        ("{{ title|no_such_filter }}", 1, "unknown filter"),
        ("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}", 1, "fuel"),
    ] {
        let (file, at, message) = one_fault(&[("forbidden.html", text)]);
        assert_eq!((file.as_str(), at), ("forbidden.html", Some(line)), "{text}: {message}");
        assert!(message.contains(said), "{text}: {message}");
    }
    let (file, line, _) =
        one_fault(&[("error.html", "{% include '_a.html' %}"), ("_a.html", "\n\n{{ nobody }}")]);
    assert_eq!((file.as_str(), line), ("_a.html", Some(3)));
}

#[test]
fn scripts_and_forms_are_refused_with_the_reason() {
    for (text, said) in [
        ("<script>1</script>", "<script>: the gate's pages hold no scripts"),
        ("<SCRIPT src=x>", "<script>: "),
        ("<form\nmethod=post>", "<form>: the gate's pages hold no forms"),
        ("<base href=x>", "<base>: "),
    ] {
        let (_, line, message) = one_fault(&[("error.html", &format!("\n\n{text}"))]);
        assert_eq!(line, Some(3), "{text}");
        assert!(message.starts_with(said), "{text}: {message}");
    }
    // Put together, it is found when the page is.
    let (_, _, message) = one_fault(&[("error.html", "<{% if true %}script{% endif %}>")]);
    assert!(message.starts_with("<script>"), "{message}");
    compiled(&[("error.html", "<formula> <scripture> form script")]);
}

#[test]
fn what_the_policy_stops_is_said_and_stops_nothing() {
    let (templates, faults) = compile(&[("error.html", "<link rel=stylesheet href=/x.css><iframe src=/>")]);
    assert!(templates.is_some());
    assert!(faults.iter().all(|fault| fault.harmless) && faults.len() == 2, "{faults:#?}");
}

#[test]
fn the_policy_allows_exactly_the_styles_that_stand_in_the_files() {
    // printf 'p{margin:0}' | openssl dgst -sha256 -binary | base64
    let known = "'sha256-QRQPRLGyxt3RJiKpYNjpkgHcmHU2PywsfL2e8oI0LQA='";
    let style = |text: &str| compiled(&[("error.html", text)]).policy().to_str().unwrap().to_owned();
    let plain = style("<style>p{margin:0}</style>");
    assert_eq!(
        plain,
        format!(
            "default-src 'none'; style-src {known}; img-src data:; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'"
        )
    );
    // Line ends as browsers see them.
    assert_eq!(style("<style>a{}\r\nb{}</style>"), style("<STYLE media=screen>a{}\nb{}</STYLE>"));
    assert_eq!(style("<style>p{margin:0}</style><style>p{margin:0}</style>"), plain);
    assert!(!style("<p>").contains("style-src"));
}

#[test]
fn a_style_that_only_comes_to_be_with_the_page_is_refused() {
    for text in [
        "<style>p{color:{{ title }}}</style>",
        "<style>{% if user %}p{margin:0}{% endif %}</style>",
        "<style>{% include '_x.html' %}</style>",
    ] {
        let (templates, faults) = compile(&[("error.html", &format!("\n{text}")), ("_x.html", "p{}")]);
        assert!(templates.is_none());
        assert_eq!(faults[0].line, Some(2));
        assert!(faults[0].message.contains("no hash"), "{faults:?}");
    }
    let (_, _, message) = one_fault(&[("error.html", "<{{ 'style' }}>p{}</style>")]);
    assert!(message.contains("no hash"), "{message}");
}

#[test]
fn a_fault_at_run_time_is_an_error_with_its_place() {
    // The samples take the other way.
    let templates = compiled(&[("error.html", "\n{% if status == 502 %}{{ nobody }}{% endif %}")]);
    let said = templates.render(PageName::Error, &Values { status: 502, ..values() }).unwrap().unwrap_err();
    assert!(said.starts_with("error.html:2: undefined value"), "{said}");
}

#[test]
fn the_templates_in_the_documentation_are_templates() {
    let text = include_str!("../../../docs/pages.md");
    let samples: Vec<_> =
        text.split("```html\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(samples.len() >= 2);
    for sample in samples {
        compiled(&[("page.html", sample), ("_layout.html", "{% block body %}{% endblock %}")]);
    }
    for page in PageName::ALL {
        assert!(text.contains(&format!("`{}`", page.file())), "docs/pages.md lacks {}", page.file());
    }
    let values = serde_json::to_value(Values::default()).unwrap();
    for name in values.as_object().unwrap().keys() {
        assert!(text.contains(&format!("`{name}`")), "docs/pages.md lacks {name}");
    }
}

//! Panics are counted and logged by their place. Each ends one connection or one piece of work: tokio keeps it there.

use prometheus_client::metrics::counter::Counter;

/// From now on every panic of this process is counted in `panics`. What it says is left out: it may repeat what came
/// from outside.
pub fn count(panics: Counter) {
    std::panic::set_hook(Box::new(move |panic| {
        panics.inc();
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        tracing::error!(place, thread, "rolegate panicked: this is a defect, please report it");
    }));
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_panic_is_counted() {
        let (panics, before) = (super::Counter::default(), std::panic::take_hook());
        super::count(panics.clone());
        let ended = std::thread::spawn(|| panic!("on purpose")).join();
        std::panic::set_hook(before);
        assert!(ended.is_err() && panics.get() > 0);
    }
}

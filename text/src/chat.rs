//! Chat templates, in the Jinja environment that transformers sets up for them.

use minijinja::value::{Kwargs, Value};
use minijinja::{Environment, Error, ErrorKind};
use serde_json::Value as Json;

use crate::python_json::{dumps, Style};

/// An endless loop in a template ends here instead of holding a worker.
const FUEL: u64 = 10_000_000;

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

/// `tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False)`.
fn tojson(value: Value, arguments: Kwargs) -> Result<Value, Error> {
    let invalid = |e: serde_json::Error| Error::new(ErrorKind::BadSerialization, e.to_string());
    let separators: Option<Vec<String>> = arguments.get("separators")?;
    let indent: Option<usize> = arguments.get("indent")?;
    let (item, key) = match separators.as_deref() {
        Some([item, key]) => (item.clone(), key.clone()),
        Some(_) => {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                "tojson: separators is not a pair",
            ))
        }
        None if indent.is_some() => (",".to_owned(), ": ".to_owned()),
        None => (", ".to_owned(), ": ".to_owned()),
    };
    let style = Style {
        ensure_ascii: arguments
            .get::<Option<bool>>("ensure_ascii")?
            .unwrap_or(false),
        sort_keys: arguments.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
        indent,
        item,
        key,
    };
    arguments.assert_all_used()?;
    let json: Json = serde_json::to_value(&value).map_err(invalid)?;
    Ok(Value::from_safe_string(dumps(&json, &style)))
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.set_fuel(Some(FUEL));
    environment.add_function("raise_exception", raise_exception);
    // strftime_now is left undefined: what a model is asked must not depend on the day.
    environment.add_filter("tojson", tojson);
    environment
}

/// The text of `template` over the variables in `context`. The error is one line: what, and where.
pub fn render(template: &str, context: &Json) -> Result<String, String> {
    let explain = |e: Error| match e.line() {
        Some(line) => format!(
            "{} (line {line})",
            e.detail().unwrap_or(&e.kind().to_string())
        ),
        None => e.to_string(),
    };
    let environment = environment();
    let template = environment.template_from_str(template).map_err(explain)?;
    template
        .render(Value::from_serialize(context))
        .map_err(explain)
}

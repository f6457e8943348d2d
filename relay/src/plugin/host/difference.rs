//! Says in the contract's own words where a plugin's types are others.
//!
//! The engine refuses such a plugin with places inside of its own structures; an author looks for a name that
//! stands in the WIT.

use std::collections::BTreeMap;

use wit_component::DecodedWasm;
use wit_parser::{Function, Resolve, Type, TypeDefKind, TypeId};

/// The contract as this relay was built with it.
const CONTRACT: &str = include_str!("../../../../wit/0.1.0/plugin.wit");

/// The parts of each type, in order: fields of a record, cases of a variant or an enum.
type Parts = Vec<(String, String)>;

/// The first difference between the types of the component `bytes` and the contract's; `None` where none can be
/// told in these words.
pub(super) fn of(bytes: &[u8]) -> Option<String> {
    let DecodedWasm::Component(theirs, _) = wit_component::decode(bytes).ok()? else { return None };
    let mut ours = Resolve::default();
    ours.push_str("plugin.wit", CONTRACT).ok()?;
    let (theirs, ours) = (named_parts(&theirs), named_parts(&ours));
    theirs.iter().find_map(|(name, parts)| {
        let expected = ours.get(name)?;
        difference(parts, expected).map(|what| {
            format!("{name} differs from the contract's: {what}; a type of the contract never changes")
        })
    })
}

fn difference(theirs: &Parts, ours: &Parts) -> Option<String> {
    for (name, text) in theirs {
        match ours.iter().find(|(own, _)| own == name) {
            None => return Some(format!("it has `{name}`, which the contract has not")),
            Some((_, own)) if own != text => {
                return Some(format!("`{name}` is `{text}`, and `{own}` in the contract"));
            }
            Some(_) => {}
        }
    }
    if let Some((missing, _)) = ours.iter().find(|(own, _)| theirs.iter().all(|(name, _)| name != own)) {
        return Some(format!("it lacks `{missing}`"));
    }
    let order = |parts: &Parts| parts.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>();
    (theirs != ours).then(|| {
        format!("its order is {}, and {} in the contract", order(theirs).join(", "), order(ours).join(", "))
    })
}

/// Every type with parts, and every function, under the name that the WIT gives it.
fn named_parts(resolve: &Resolve) -> BTreeMap<String, Parts> {
    let mut all = BTreeMap::new();
    for (id, interface) in resolve.interfaces.iter() {
        if resolve.id_of(id).is_none_or(|name| !name.starts_with("relay:plugin/")) {
            continue;
        }
        let own = interface.name.as_deref().unwrap_or_default();
        for (name, function) in &interface.functions {
            all.insert(format!("function `{own}.{name}`"), signature(resolve, function));
        }
        for (name, id) in &interface.types {
            if let Some((kind, parts)) = parts(resolve, *id) {
                all.insert(format!("{kind} `{name}`"), parts);
            }
        }
    }
    all
}

fn signature(resolve: &Resolve, function: &Function) -> Parts {
    let parameters = function.params.iter().map(|it| (it.name.clone(), text(resolve, it.ty)));
    let answer = function.result.map(|it| ("its answer".to_owned(), text(resolve, it)));
    parameters.chain(answer).collect()
}

fn parts(resolve: &Resolve, id: TypeId) -> Option<(&'static str, Parts)> {
    let nothing = || "no value".to_owned();
    match &resolve.types[id].kind {
        TypeDefKind::Record(record) => {
            let fields = record.fields.iter().map(|it| (it.name.clone(), text(resolve, it.ty)));
            Some(("record", fields.collect()))
        }
        TypeDefKind::Variant(variant) => {
            let value = |ty: Option<Type>| ty.map_or_else(nothing, |ty| text(resolve, ty));
            let cases = variant.cases.iter().map(|it| (it.name.clone(), value(it.ty)));
            Some(("variant", cases.collect()))
        }
        TypeDefKind::Enum(names) => {
            Some(("enum", names.cases.iter().map(|it| (it.name.clone(), nothing())).collect()))
        }
        _ => None,
    }
}

/// A type as WIT writes it. A name that only stands for another type is replaced by that: components keep no such
/// names.
fn text(resolve: &Resolve, ty: Type) -> String {
    let Type::Id(id) = ty else { return format!("{ty:?}").to_lowercase() };
    let optional = |ty: &Option<Type>| ty.map_or_else(|| "_".to_owned(), |ty| text(resolve, ty));
    let definition = &resolve.types[id];
    match &definition.kind {
        TypeDefKind::Type(ty) => text(resolve, *ty),
        TypeDefKind::List(ty) => format!("list<{}>", text(resolve, *ty)),
        TypeDefKind::Option(ty) => format!("option<{}>", text(resolve, *ty)),
        TypeDefKind::Result(it) => format!("result<{}, {}>", optional(&it.ok), optional(&it.err)),
        TypeDefKind::Tuple(tuple) => {
            let inner: Vec<_> = tuple.types.iter().map(|ty| text(resolve, *ty)).collect();
            format!("tuple<{}>", inner.join(", "))
        }
        kind => definition.name.clone().unwrap_or_else(|| kind.as_str().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::host::testing::{OBEDIENT, component};

    fn against(change: (&str, &str)) -> Option<String> {
        let changed = CONTRACT.replacen(change.0, change.1, 1);
        assert_ne!(changed, CONTRACT, "the contract has no {:?}", change.0);
        of(&component(OBEDIENT, &changed))
    }

    #[test]
    fn a_field_a_type_and_a_case_are_named() {
        let said = against(("    attempt: u32,", "    attempt: u64,")).unwrap();
        assert!(
            said.starts_with("record `event` differs") && said.contains("`attempt` is `u64`, and `u32`"),
            "{said}"
        );
        let said = against(("    halt(string),", "    halt(string),\n    stop,")).unwrap();
        assert!(said.starts_with("variant `verdict` differs") && said.contains("it has `stop`"), "{said}");
        let said = against(("    slot: option<string>,", "")).unwrap();
        assert!(said.starts_with("record `message` differs") && said.contains("it lacks `slot`"), "{said}");
    }

    #[test]
    fn a_function_that_the_plugin_calls_otherwise_is_named_with_its_interface() {
        let said =
            against(("get: func(table: string, key: string)", "get: func(table: string, key: list<u8>)"))
                .unwrap();
        assert!(
            said.starts_with("function `kv.get` differs") && said.contains("`key` is `list<u8>`"),
            "{said}"
        );
    }

    #[test]
    fn the_contract_itself_differs_in_nothing() {
        assert_eq!(of(&component(OBEDIENT, CONTRACT)), None);
        assert_eq!(of(b"no component"), None);
    }
}

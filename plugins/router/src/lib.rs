//! Routes events to sinks and addresses by rules.
//!
//! The first rule that matches decides. Only rules and templates that name a place in the payload read it, and
//! then once per event: routing by the event's columns costs the same at any payload size.

mod action;
mod payload;
mod rule;
mod template;

use relay_plugin_sdk::prelude::*;

use action::{Action, ActionConfig};
use payload::Payload;
use rule::{Rule, RuleConfig};

/// What goes where.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Tried in order; the first that matches decides.
    #[serde(default)]
    rules: Vec<RuleConfig>,
    /// What becomes of an event that no rule matches: "pass" if not set.
    #[serde(default)]
    default: ActionConfig,
}

/// Routes events to sinks and addresses by rules.
#[derive(Debug)]
pub struct Router {
    rules: Vec<Rule>,
    default: Action,
}

impl Plugin for Router {
    type Config = Config;

    fn new(config: Config) -> Result<Self, Problem> {
        let mut problems = Vec::new();
        let rules = config.rules.into_iter().enumerate();
        let rules = rules.map(|(index, rule)| Rule::new(rule, &format!("/rules/{index}"), &mut problems));
        let router =
            Self { rules: rules.collect(), default: Action::new(config.default, "/default", &mut problems) };
        Problem::all(problems).map_or(Ok(router), Err)
    }

    fn transform(&mut self, event: &Event) -> Result<Verdict, Fault> {
        self.decide(event, &Payload::of(event))
    }
}

impl Router {
    fn decide(&self, event: &Event, payload: &Payload<'_>) -> Result<Verdict, Fault> {
        for rule in &self.rules {
            if rule.matches(event, payload)? {
                return rule.then.verdict(event, payload);
            }
        }
        self.default.verdict(event, payload)
    }
}

export!(Router);

#[cfg(test)]
mod tests;

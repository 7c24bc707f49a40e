//! What others do to the objects of a cluster.

use e2e::scene::Outcome;

use crate::installed::Installed;

/// Somebody edits, adds to and deletes what the operator has made, all at once.
pub(crate) async fn what_others_change_is_as_it_should_be_again(
    operator: &Installed<'_>,
    name: &str,
) -> Outcome {
    let balancer = format!("{name}-balancer");
    operator
        .type_in(&["scale", "deployment", &balancer, "--replicas=0"])
        .await?;
    operator.type_in(&["delete", "poddisruptionbudget", name]).await?;
    operator
        .type_in(&["delete", "service", &format!("{name}-broker-1")])
        .await?;
    operator
        .type_in(&["annotate", "service", name, "example.org/kept=yes"])
        .await?;
    operator
        .until("everything is as it should be again", async |operator| {
            let services = operator.names(&["services"]).await?;
            let budgets = operator.names(&["poddisruptionbudgets"]).await?;
            Ok(replicas(operator, &balancer).await? == Some(1)
                && services.contains(&format!("{name}-broker-1"))
                && budgets.iter().any(|budget| budget == name))
        })
        .await?;
    let service = operator.get(&["service", name]).await?;
    // What nobody else cares about is left to those who do.
    assert_eq!(service["metadata"]["annotations"]["example.org/kept"], "yes");
    Ok(())
}

async fn replicas(operator: &Installed<'_>, deployment: &str) -> Outcome<Option<u64>> {
    let object = operator.get(&["deployment", deployment]).await?;
    Ok(object["spec"]["replicas"].as_u64())
}

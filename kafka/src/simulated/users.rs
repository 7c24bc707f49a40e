//! Users of the simulated cluster, whose passwords tests can look at.

use std::collections::{BTreeMap, BTreeSet};

use super::world::refused;
use super::{Operation, SimulatedCluster};
use crate::cluster::Each;
use crate::error::ClusterError;
use crate::users::{Mechanism, UserChange, UserName, Users};

impl SimulatedCluster {
    /// The password with which a user can log in.
    pub fn password(&self, user: &UserName, mechanism: Mechanism) -> Option<String> {
        let key = (user.clone(), mechanism);
        self.world().passwords.get(&key).cloned()
    }
}

impl Users for SimulatedCluster {
    async fn users(
        &self,
        names: &BTreeSet<UserName>,
    ) -> Result<BTreeMap<UserName, BTreeSet<Mechanism>>, ClusterError> {
        self.request(Operation::Users, |world, _| {
            let mut users: BTreeMap<UserName, BTreeSet<Mechanism>> = BTreeMap::new();
            let asked = world.passwords.keys().filter(|(user, _)| names.contains(user));
            for (user, mechanism) in asked {
                users.entry(user.clone()).or_default().insert(*mechanism);
            }
            Ok(users)
        })
        .await
    }

    async fn alter_users(&self, changes: Vec<UserChange>) -> Result<Each<UserName, ()>, ClusterError> {
        self.request(Operation::AlterUsers, |world, refusal| {
            let mut each = Each::new();
            for change in changes {
                let user = change.user().clone();
                let done = match (refusal, change) {
                    (Some(refusal), _) => Err(refusal.error()),
                    (
                        None,
                        UserChange::Set {
                            user,
                            mechanism,
                            password,
                        },
                    ) => {
                        world.passwords.insert((user, mechanism), password.to_string());
                        Ok(())
                    }
                    (None, UserChange::Remove { user, mechanism }) => {
                        let there = world.passwords.remove(&(user, mechanism));
                        let missing = || refused("RESOURCE_NOT_FOUND", "no such credential".to_owned());
                        there.map(|_| ()).ok_or_else(missing)
                    }
                };
                each.insert(user, done);
            }
            Ok(each)
        })
        .await
    }
}
